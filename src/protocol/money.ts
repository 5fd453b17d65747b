import { z } from 'zod'

/** Billionths of a US dollar. Crosses every wire as a decimal string: JSON numbers lose integers past 2^53. */
export const NanoUsd = z
  .codec(z.string().regex(/^-?\d{1,30}$/), z.bigint(), {
    decode: (text) => BigInt(text),
    encode: (amount) => amount.toString(),
  })
  .meta({ id: 'NanoUsd', description: 'Billionths of a US dollar, as a decimal string.' })
export type NanoUsd = z.output<typeof NanoUsd>

/** A refinement after decoding, so that the wire form stays that of `NanoUsd`. */
export const PositiveNanoUsd = NanoUsd.refine((amount) => amount > 0n, 'expected an amount above zero')

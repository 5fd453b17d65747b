/**
 * The evidence of a month: its facts, each chained to the one before, and a seal that the network signed with the key by
 * which it is known. One line of JSON each. Whoever has it computes the credit anew, without the network.
 */
import { z } from 'zod'
import { toCanonical } from '#kernel/canonical.ts'
import { BundleHeader, BundleSeal, SlaFact } from '#protocol/sla-evidence.ts'

export type Sha256 = (text: string) => string

/** `previousHash` of the first fact. */
export const NO_HASH = '0'.repeat(64)

export const BundleLine = z.union([
  z.strictObject({ header: BundleHeader }),
  z.strictObject({ sequence: z.int(), previousHash: z.string(), hash: z.string(), fact: SlaFact }),
  z.strictObject({ seal: BundleSeal, signature: z.string() }),
])
export type BundleLine = z.output<typeof BundleLine>

const Place = z.object({ sequence: z.int(), previousHash: z.string(), fact: SlaFact })

/** The hash of a fact in its place. */
export const hashOfFact = (place: z.output<typeof Place>, sha256: Sha256): string =>
  sha256(toCanonical(Place.encode(place)))

/** What the network signs. */
export const sealedText = (seal: BundleSeal): string => `shoal sla 1\n${toCanonical(BundleSeal.encode(seal))}`

export const formatBundleLine = (line: BundleLine): string => toCanonical(BundleLine.encode(line))

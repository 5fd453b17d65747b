import type { TimestampMs } from '#kernel/time.ts'

/** What a tariff says of an instant. */
export type TariffPrice =
  | {
      readonly kind: 'known'
      readonly usdPerKwh: number
      /** The price holds at least until then; `null`: for ever. */
      readonly untilAtMs: TimestampMs | null
    }
  | { readonly kind: 'unknown'; readonly why: string }

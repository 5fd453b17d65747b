/** What electricity costs, hour by hour. */
import type { PriceAt } from './hour-book.ts'

/** From `fromMs` up to `toMs` at one price, or at none that anybody knows. */
export interface TariffSlot {
  readonly fromMs: number
  readonly toMs: number
  readonly usdPerKwh: number | null
}

export interface Tariff {
  /** The price at a time, and who says so; `null` where nobody does. */
  readonly at: PriceAt
  /** The times between two, each with its price, in order and without gaps between them. */
  slots(fromMs: number, toMs: number): readonly TariffSlot[]
  /** Looks again where the prices come from. Never rejects: what is wrong is told by `problem`. */
  refresh(): Promise<void>
  /** What is wrong with the source, in a sentence; `null` while all is well. */
  problem(): string | null
}

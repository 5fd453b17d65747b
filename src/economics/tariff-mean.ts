/** What a tariff costs in the mean, for a forecast that knows no hours. */
import { DAY_MS, HOUR_MS, MINUTE_MS, type TimestampMs } from '#kernel/time.ts'
import { priceAt, type Tariff } from './tariff.ts'

export interface TariffMean {
  readonly usdPerKwh: number
  /** For people: which tariff, and what the mean is of. */
  readonly source: string
  /** ISO date of the last time that is in it; `null`: it holds for always. */
  readonly asOf: string | null
  readonly notices: readonly string[]
}

/** Prices change at the quarter of an hour at the most. */
const STEP_MS = 15 * MINUTE_MS
const WEEK_MS = 7 * DAY_MS

/**
 * The mean over every quarter of an hour that has a price: of a list all of it, of the hours of the week the one from
 * `nowMs` on. `null` when none has. A time without a price is in no mean; how much that is, is told.
 */
export function meanOfTariff(
  tariff: Tariff,
  { name, nowMs, notices }: { name: string; nowMs: TimestampMs; notices: readonly string[] },
): TariffMean | null {
  if (tariff.kind === 'flat')
    return { usdPerKwh: tariff.usdPerKwh, source: `tariff ${name}`, asOf: null, notices }
  const [fromMs, toMs] =
    tariff.kind === 'hourly'
      ? [tariff.slots[0]?.fromAtMs ?? 0, tariff.slots.at(-1)?.toAtMs ?? 0]
      : [nowMs, nowMs + WEEK_MS]
  let [sum, known, all] = [0, 0, 0]
  for (let atMs = fromMs; atMs < toMs; atMs += STEP_MS) {
    const price = priceAt(tariff, atMs)
    all++
    if (price.kind === 'unknown') continue
    known++
    sum += price.usdPerKwh
  }
  if (known === 0) return null
  const hours = Math.round((known * STEP_MS) / HOUR_MS)
  const isWhole = known === all
  const missing = `The mean of the tariff ${name} is of ${hours} of ${Math.round((all * STEP_MS) / HOUR_MS)} hours: the others have no price in it, and none was made up.`
  return {
    usdPerKwh: sum / known,
    source: `tariff ${name}: mean of ${tariff.kind === 'hourly' ? `${hours} hours` : 'a week'}, each hour alike`,
    asOf: tariff.kind === 'hourly' ? new Date(toMs).toISOString().slice(0, 10) : null,
    notices: [...notices, ...(isWhole ? [] : [missing])],
  }
}

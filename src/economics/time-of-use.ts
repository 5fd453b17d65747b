/** Prices by the hour of the week. */
import { DAY_MS, MINUTE_MS, type TimestampMs } from '#kernel/time.ts'
import type { TariffPrice } from './tariff-price.ts'

export interface TimeOfUse {
  /** Local time is UTC and so many minutes; each holds from its instant on. In order of time; the first holds before it too. */
  readonly offsets: readonly { readonly fromAtMs: TimestampMs; readonly minutes: number }[]
  /** The first that covers an instant has the price. */
  readonly periods: readonly UsePeriod[]
  /** What all other times cost; `null`: they are not covered. */
  readonly otherwiseUsdPerKwh: number | null
}

export interface UsePeriod {
  /** 1 is Monday, 7 is Sunday. */
  readonly days: readonly number[]
  /** Minutes after local midnight; `to` is up to and without, and may be less than `from`: then it ends the next day. */
  readonly fromMinute: number
  readonly toMinute: number
  readonly usdPerKwh: number
}

const MINUTES_PER_DAY = 1_440
const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']

export function timeOfUseAt(tariff: TimeOfUse, atMs: TimestampMs): TariffPrice {
  const offset = tariff.offsets.findLast(({ fromAtMs }) => fromAtMs <= atMs) ?? tariff.offsets[0]
  const localMs = atMs + (offset?.minutes ?? 0) * MINUTE_MS
  // 1970-01-01 was a Thursday.
  const day = ((Math.floor(localMs / DAY_MS) + 3) % 7) + 1
  const minute = Math.floor((localMs % DAY_MS) / MINUTE_MS)
  const usdPerKwh = priceOfMinute(tariff, day, minute)
  if (usdPerKwh === null)
    return { kind: 'unknown', why: `The tariff has no price for ${nameOf(day, minute)} local time.` }
  const untilMinute = Math.min(...edgesOf(tariff).filter((edge) => edge > minute))
  const nextOffset = tariff.offsets.find(({ fromAtMs }) => fromAtMs > atMs)
  const untilAtMs = atMs - (localMs % MINUTE_MS) + (untilMinute - minute) * MINUTE_MS
  return { kind: 'known', usdPerKwh, untilAtMs: Math.min(untilAtMs, nextOffset?.fromAtMs ?? untilAtMs) }
}

/** The times of the week without a price, as `Sat 22:00-24:00`. */
export function uncoveredTimes(tariff: TimeOfUse): string[] {
  if (tariff.otherwiseUsdPerKwh !== null) return []
  const edges = [0, ...edgesOf(tariff)]
  return DAYS.flatMap((_, index) => {
    const gaps: { from: number; to: number }[] = []
    for (const [at, to] of edges.slice(1).entries()) {
      const from = edges[at] ?? 0
      if (priceOfMinute(tariff, index + 1, from) !== null) continue
      const before = gaps.at(-1)
      if (before?.to === from) before.to = to
      else gaps.push({ from, to })
    }
    return gaps.map(({ from, to }) => `${nameOf(index + 1, from)}-${clock(to)}`)
  })
}

function priceOfMinute(tariff: TimeOfUse, day: number, minute: number): number | null {
  const before = day === 1 ? 7 : day - 1
  const period = tariff.periods.find(({ days, fromMinute, toMinute }) => {
    if (fromMinute < toMinute) return days.includes(day) && minute >= fromMinute && minute < toMinute
    // Over midnight: the evening of its own day, and the morning after it.
    return (days.includes(day) && minute >= fromMinute) || (days.includes(before) && minute < toMinute)
  })
  return period?.usdPerKwh ?? tariff.otherwiseUsdPerKwh
}

/** The minutes of a day at which a price may change, its end included, in order. */
const edgesOf = ({ periods }: TimeOfUse): number[] =>
  [...new Set([...periods.flatMap(({ fromMinute, toMinute }) => [fromMinute, toMinute]), MINUTES_PER_DAY])]
    .filter((minute) => minute > 0)
    .sort((a, b) => a - b)

const nameOf = (day: number, minute: number): string => `${DAYS[day - 1]} ${clock(minute)}`
const clock = (minute: number): string =>
  `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`

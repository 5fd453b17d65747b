/** The file in which an owner writes down a tariff; `docs/concepts/economics.md` shows one of each kind. */
import { z } from 'zod'
import { describeIssue } from '#protocol/describe-issue.ts'
import { Problem } from '#protocol/problem.ts'
import { parsePriceFeed } from './price-feed.ts'
import { describeGaps, gapsOf, orderSlots } from './price-slots.ts'
import type { Tariff } from './tariff.ts'
import { type TimeOfUse, uncoveredTimes } from './time-of-use.ts'

const dayNames = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const
const ClockTime = z
  .string()
  .regex(/^([01]\d|2[0-3]):[0-5]\d$|^24:00$/, 'expected a time of day, as 06:30')
  .transform((text) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3)))
const Money = z.object({
  currency: z.string().regex(/^[A-Z]{3}$/, 'expected a currency of three letters, as USD'),
  /** What one unit of the currency is worth in USD. */
  usd_per_unit: z.number().positive().optional(),
})
const Instant = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text))

const Flat = Money.extend({ kind: z.literal('flat'), per_kwh: z.number() })
const TimeOfUseFile = Money.extend({
  kind: z.literal('time_of_use'),
  /** Whose clocks the periods are by: `Europe/Berlin`. Its summer time is known. */
  time_zone: z.string().max(64).optional(),
  /** Instead of it: minutes that local time is ahead of UTC; a list where it changes. */
  utc_offset_minutes: z
    .union([
      z.int().min(-840).max(840),
      z.array(z.object({ from: Instant, minutes: z.int().min(-840).max(840) })).min(1),
    ])
    .optional(),
  periods: z.array(
    z.object({ days: z.array(z.enum(dayNames)).min(1), from: ClockTime, to: ClockTime, per_kwh: z.number() }),
  ),
  otherwise: z.number().nullable(),
})
const Hourly = Money.extend({
  kind: z.literal('hourly'),
  /** What a service answered, as it was; or the file's own `prices`. */
  feed: z.unknown(),
  area: z.string().optional(),
  /** In the feed's currency. */
  add_per_kwh: z.number().default(0),
  factor: z.number().positive().default(1),
})
const TariffFile = z.discriminatedUnion('kind', [Flat, TimeOfUseFile, Hourly])

export interface ReadTariff {
  readonly tariff: Tariff
  /** What people must know: each gap, by name, and what is not in the prices. */
  readonly notices: readonly string[]
}

/** Beyond it, no price per kilowatt-hour is one. Wholesale feeds have a wider limit of their own. */
const USD_PER_KWH_MAX = 3

/** The offsets of a time zone over the years that matter, in order of time; `null` for a name that is none. */
export type ZoneOffsets = (timeZone: string) => TimeOfUse['offsets'] | null

export interface TariffOptions {
  /** The system's time zones; without them a tariff has to say its offsets itself. */
  readonly offsetsOf?: ZoneOffsets | undefined
  /** The time zone of a tariff by the time of use that does not say its own. */
  readonly timeZone?: string | null | undefined
}

/** Throws `Problem('config_invalid')` that names the field, what it has and what is expected. */
export function parseTariff(json: unknown, options: TariffOptions = {}): ReadTariff {
  const result = TariffFile.safeParse(json)
  if (!result.success) throw new Problem('config_invalid', describeIssue(result.error, 'the tariff'))
  const file = result.data
  if (file.kind === 'hourly') return readHourly(file)
  const toUsd = converterOf(file)
  if (file.kind === 'flat') return { tariff: { kind: 'flat', usdPerKwh: toUsd(file.per_kwh) }, notices: [] }
  const offsets = offsetsIn(file, options)
  const tariff: Tariff = {
    kind: 'time_of_use',
    offsets,
    periods: file.periods.map(({ days, from, to, per_kwh }) => ({
      days: days.map((day) => dayNames.indexOf(day) + 1),
      fromMinute: from,
      toMinute: to,
      usdPerKwh: toUsd(per_kwh),
    })),
    otherwiseUsdPerKwh: file.otherwise === null ? null : toUsd(file.otherwise),
  }
  const uncovered = uncoveredTimes(tariff)
  return {
    tariff,
    notices: uncovered.length > 0 ? [`The tariff has no price for ${uncovered.join(', ')}.`] : [],
  }
}

function offsetsIn(
  { time_zone, utc_offset_minutes: minutes }: z.output<typeof TimeOfUseFile>,
  { offsetsOf, timeZone }: TariffOptions,
): TimeOfUse['offsets'] {
  const zone = time_zone ?? timeZone ?? null
  if (time_zone !== undefined && timeZone != null && time_zone !== timeZone)
    throw refused(`The tariff is by the clocks of ${time_zone}, and --time-zone says ${timeZone}. Give one.`)
  if (zone !== null && minutes !== undefined)
    throw refused(
      `The tariff says both a time zone (${zone}) and utc_offset_minutes. Leave the minutes out: the zone knows its summer time.`,
    )
  if (zone !== null) return zoneOffsets(zone, offsetsOf)
  if (minutes === undefined)
    throw refused(
      'The tariff does not say by whose clocks its periods are: add "time_zone": "Europe/Berlin" to it, or give --time-zone.',
    )
  if (typeof minutes === 'number') return [{ fromAtMs: 0, minutes }]
  return minutes
    .map(({ from, minutes: ahead }) => ({ fromAtMs: from, minutes: ahead }))
    .sort((a, b) => a.fromAtMs - b.fromAtMs)
}

function zoneOffsets(zone: string, offsetsOf: ZoneOffsets | undefined): TimeOfUse['offsets'] {
  if (!offsetsOf)
    throw refused(`Time zones are not known here: write utc_offset_minutes in place of ${zone}.`)
  const offsets = offsetsOf(zone)
  if (offsets) return offsets
  throw refused(`"${zone}" is no time zone. Expected a name such as Europe/Berlin or America/New_York.`)
}

const refused = (message: string): Problem => new Problem('config_invalid', message)

function readHourly(file: z.output<typeof Hourly>): ReadTariff {
  const feed = parsePriceFeed(file.feed, {
    usdPerUnit: file.usd_per_unit ?? null,
    addPerKwh: file.add_per_kwh,
    factor: file.factor,
    area: file.area ?? null,
  })
  if (feed.currency !== file.currency) {
    throw new Problem(
      'config_invalid',
      `The tariff is in ${file.currency}, the prices in it are in ${feed.currency}. Write one currency, and what it is worth in USD.`,
    )
  }
  return {
    tariff: { kind: 'hourly', slots: feed.slots },
    notices: [...feed.notices, ...(feed.gaps === null ? [] : [feed.gaps])],
  }
}

/** The hours of both, the later list winning where they overlap: for a feed that is asked every day. */
export function mergeHourly(
  earlier: Tariff & { kind: 'hourly' },
  later: Tariff & { kind: 'hourly' },
): ReadTariff {
  const kept = earlier.slots.filter(
    (old) => !later.slots.some((slot) => slot.fromAtMs < old.toAtMs && old.fromAtMs < slot.toAtMs),
  )
  const slots = orderSlots([...kept, ...later.slots])
  const gaps = describeGaps(gapsOf(slots))
  return { tariff: { kind: 'hourly', slots }, notices: gaps === null ? [] : [gaps] }
}

function converterOf({ currency, usd_per_unit }: z.output<typeof Money>): (amount: number) => number {
  if (currency !== 'USD' && usd_per_unit === undefined) {
    throw new Problem(
      'config_invalid',
      `The tariff is in ${currency}, everything else is in USD: \`usd_per_unit\` must say what one ${currency} is worth.`,
    )
  }
  return (amount) => {
    const usd = amount * (currency === 'USD' ? 1 : (usd_per_unit ?? 1))
    if (usd >= 0 && usd <= USD_PER_KWH_MAX) return usd
    throw new Problem(
      'config_invalid',
      `${amount} ${currency}/kWh is no price of a tariff: expected 0 to ${USD_PER_KWH_MAX} USD/kWh. Is it in cents?`,
    )
  }
}

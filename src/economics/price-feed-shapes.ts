/** The answers of services of electricity prices, one entry each: how it looks, and where its prices are. */
import { z } from 'zod'

export interface RawPrice {
  readonly fromAtMs: number
  /** `null`: the feed does not say. */
  readonly toAtMs: number | null
  /** In `currency`. */
  readonly perKwh: number
  readonly currency: string
  readonly area: string | null
}

export interface FeedShape {
  readonly name: string
  readonly isWholesale: boolean
  readonly schema: z.ZodType
  /** `json` has passed `schema`. */
  readonly read: (json: unknown) => readonly RawPrice[]
}

/** An instant with its offset to UTC: a local time without one would be read differently elsewhere. */
const instantPattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)$/
const Instant = z
  .string()
  .regex(instantPattern, 'expected a date and time with its offset, as 2026-11-22T14:00:00+01:00')
  .transform((text) => Date.parse(text.replace(/([+-]\d\d)(\d\d)$/, '$1:$2')))
/** UTC by the name of its field. */
const UtcInstant = z
  .string()
  .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?Z?$/)
  .transform((text) => Date.parse(text.endsWith('Z') ? text : `${text}Z`))
const Price = z.number()
const KWH_PER_MWH = 1_000

function shape<T>(
  name: string,
  isWholesale: boolean,
  schema: z.ZodType<T>,
  read: (feed: T) => readonly RawPrice[],
): FeedShape {
  return { name, isWholesale, schema, read: (feed) => read(feed as T) }
}

const own = shape(
  'shoal',
  false,
  z.object({
    currency: z.string(),
    prices: z.array(z.object({ from: Instant, to: Instant.optional(), per_kwh: Price })),
  }),
  ({ currency, prices }) =>
    prices.map(({ from, to, per_kwh }) => ({
      fromAtMs: from,
      toAtMs: to ?? null,
      perKwh: per_kwh,
      currency,
      area: null,
    })),
)

const awattar = shape(
  'awattar',
  true,
  z.object({
    data: z.array(
      z.object({
        start_timestamp: z.int(),
        end_timestamp: z.int(),
        marketprice: Price,
        unit: z.string().regex(/^[a-z]{3}\/MWh$/i, 'expected a currency for each MWh, as Eur/MWh'),
      }),
    ),
  }),
  ({ data }) =>
    data.map((hour) => ({
      fromAtMs: hour.start_timestamp,
      toAtMs: hour.end_timestamp,
      perKwh: hour.marketprice / KWH_PER_MWH,
      currency: hour.unit.slice(0, 3),
      area: null,
    })),
)

/** Elspotprices by the hour; prices may be missing in one of the two currencies. */
const energiDataService = shape(
  'energidataservice',
  true,
  z.object({
    records: z.array(z.object({ HourUTC: UtcInstant, PriceArea: z.string(), SpotPriceEUR: Price })),
  }),
  ({ records }) =>
    records.map((hour) => ({
      fromAtMs: hour.HourUTC,
      toAtMs: null,
      perKwh: hour.SpotPriceEUR / KWH_PER_MWH,
      currency: 'EUR',
      area: hour.PriceArea,
    })),
)

/** Its successor, by the quarter of an hour. */
const energiDayAhead = shape(
  'energidataservice day-ahead',
  true,
  z.object({
    records: z.array(z.object({ TimeUTC: UtcInstant, PriceArea: z.string(), DayAheadPriceEUR: Price })),
  }),
  ({ records }) =>
    records.map((quarter) => ({
      fromAtMs: quarter.TimeUTC,
      toAtMs: null,
      perKwh: quarter.DayAheadPriceEUR / KWH_PER_MWH,
      currency: 'EUR',
      area: quarter.PriceArea,
    })),
)

const nordPool = shape(
  'nordpool',
  true,
  z.object({
    currency: z.string(),
    multiAreaEntries: z.array(
      z.object({ deliveryStart: Instant, deliveryEnd: Instant, entryPerArea: z.record(z.string(), Price) }),
    ),
  }),
  ({ currency, multiAreaEntries }) =>
    multiAreaEntries.flatMap(({ deliveryStart, deliveryEnd, entryPerArea }) =>
      Object.entries(entryPerArea).map(([area, price]) => ({
        fromAtMs: deliveryStart,
        toAtMs: deliveryEnd,
        perKwh: price / KWH_PER_MWH,
        currency,
        area,
      })),
    ),
)

const TibberPrice = z.object({ total: Price, startsAt: Instant, currency: z.string().optional() })
/** What a customer pays, tax and levies included. */
const tibber = shape(
  'tibber',
  false,
  z.object({
    data: z.object({
      viewer: z.object({
        homes: z.array(
          z.object({
            id: z.string().optional(),
            currentSubscription: z
              .object({
                priceInfo: z.object({
                  current: z.object({ currency: z.string() }).nullish(),
                  today: z.array(TibberPrice),
                  tomorrow: z.array(TibberPrice).nullish(),
                }),
              })
              .nullable(),
          }),
        ),
      }),
    }),
  }),
  ({ data }) =>
    data.viewer.homes.flatMap(({ id, currentSubscription }, index) => {
      if (!currentSubscription) return []
      const { current, today, tomorrow } = currentSubscription.priceInfo
      return [...today, ...(tomorrow ?? [])].map(({ startsAt, total, currency }) => ({
        fromAtMs: startsAt,
        toAtMs: null,
        perKwh: total,
        currency: currency ?? current?.currency ?? 'unknown',
        area: data.viewer.homes.length > 1 ? (id ?? `home ${index + 1}`) : null,
      }))
    }),
)

/** Pence, tax included. */
const octopus = shape(
  'octopus',
  false,
  z.object({
    results: z.array(z.object({ value_inc_vat: Price, valid_from: Instant, valid_to: Instant.nullable() })),
  }),
  ({ results }) =>
    results.map(({ value_inc_vat, valid_from, valid_to }) => ({
      fromAtMs: valid_from,
      toAtMs: valid_to,
      perKwh: value_inc_vat / 100,
      currency: 'GBP',
      area: null,
    })),
)

/** ENTSO-E's prices as energy-charts.info hands them on: two lists side by side. */
const energyCharts = shape(
  'energy-charts',
  true,
  z
    .object({
      unix_seconds: z.array(z.int()),
      price: z.array(Price.nullable()),
      unit: z.string().regex(/^[a-z]{3} ?\/ ?MWh$/i, 'expected a currency for each MWh, as EUR / MWh'),
    })
    .refine(
      ({ unix_seconds, price }) => unix_seconds.length === price.length,
      'expected as many prices as times',
    ),
  ({ unix_seconds, price, unit }) =>
    unix_seconds.flatMap((seconds, index) => {
      const value = price[index]
      // A time without a price is a gap, to be named as one.
      if (value === undefined || value === null) return []
      const perKwh = value / KWH_PER_MWH
      return [{ fromAtMs: seconds * 1_000, toAtMs: null, perKwh, currency: unit.slice(0, 3), area: null }]
    }),
)

/** ENTSO-E's prices as elprisetjustnu.se hands them on. */
const elpriset = shape(
  'elprisetjustnu',
  true,
  z.array(z.object({ EUR_per_kWh: Price, time_start: Instant, time_end: Instant })),
  (hours) =>
    hours.map(({ EUR_per_kWh, time_start, time_end }) => ({
      fromAtMs: time_start,
      toAtMs: time_end,
      perKwh: EUR_per_kWh,
      currency: 'EUR',
      area: null,
    })),
)

/** ENTSO-E's prices as spot-hinta.fi hands them on. */
const spotHinta = shape(
  'spot-hinta',
  false,
  z.array(z.object({ DateTime: Instant, PriceWithTax: Price })),
  (hours) =>
    hours.map(({ DateTime, PriceWithTax }) => ({
      fromAtMs: DateTime,
      toAtMs: null,
      perKwh: PriceWithTax,
      currency: 'EUR',
      area: null,
    })),
)

/** In order of trying: none is a part of another. */
export const feedShapes: readonly FeedShape[] = [
  own,
  awattar,
  energiDataService,
  energiDayAhead,
  nordPool,
  tibber,
  octopus,
  energyCharts,
  elpriset,
  spotHinta,
]

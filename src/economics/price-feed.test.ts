import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HOUR_MS, MINUTE_MS } from '#kernel/time.ts'
import { type FeedOptions, parsePriceFeed, plainFeed } from './price-feed.ts'

const FROM = Date.UTC(2026, 10, 22, 12)
const at = (hours: number): string => new Date(FROM + hours * HOUR_MS).toISOString()
const eur = { ...plainFeed, usdPerUnit: 1.25 }

/** Each says 0.10, then 0.08 of its currency for the two hours from noon. */
const feeds: Readonly<
  Record<string, { feed: unknown; currency: string; isWholesale: boolean; area?: string }>
> = {
  shoal: {
    feed: {
      currency: 'USD',
      prices: [
        { from: at(0), per_kwh: 0.1 },
        { from: at(1), per_kwh: 0.08 },
      ],
    },
    currency: 'USD',
    isWholesale: false,
  },
  awattar: {
    feed: {
      object: 'list',
      data: [
        { start_timestamp: FROM, end_timestamp: FROM + HOUR_MS, marketprice: 100, unit: 'Eur/MWh' },
        {
          start_timestamp: FROM + HOUR_MS,
          end_timestamp: FROM + 2 * HOUR_MS,
          marketprice: 80,
          unit: 'Eur/MWh',
        },
      ],
      url: '/at/v1/marketdata',
    },
    currency: 'EUR',
    isWholesale: true,
  },
  energidataservice: {
    feed: {
      total: 4,
      dataset: 'Elspotprices',
      records: ['DK1', 'DK2'].flatMap((PriceArea) => [
        {
          HourUTC: '2026-11-22T13:00:00',
          HourDK: '2026-11-22T14:00:00',
          PriceArea,
          SpotPriceDKK: 597,
          SpotPriceEUR: 80,
        },
        {
          HourUTC: '2026-11-22T12:00:00',
          HourDK: '2026-11-22T13:00:00',
          PriceArea,
          SpotPriceDKK: 746,
          SpotPriceEUR: 100,
        },
      ]),
    },
    currency: 'EUR',
    isWholesale: true,
    area: 'DK2',
  },
  'energidataservice day-ahead': {
    feed: {
      dataset: 'DayAheadPrices',
      records: [
        {
          TimeUTC: '2026-11-22T12:00:00',
          TimeDK: '2026-11-22T13:00:00',
          PriceArea: 'DK1',
          DayAheadPriceEUR: 100,
          DayAheadPriceDKK: 746,
        },
        {
          TimeUTC: '2026-11-22T13:00:00',
          TimeDK: '2026-11-22T14:00:00',
          PriceArea: 'DK1',
          DayAheadPriceEUR: 80,
          DayAheadPriceDKK: 597,
        },
      ],
    },
    currency: 'EUR',
    isWholesale: true,
  },
  nordpool: {
    feed: {
      deliveryDateCET: '2026-11-22',
      currency: 'EUR',
      multiAreaEntries: [
        { deliveryStart: at(0), deliveryEnd: at(1), entryPerArea: { SE3: 100, FI: 1 } },
        { deliveryStart: at(1), deliveryEnd: at(2), entryPerArea: { SE3: 80, FI: 1 } },
      ],
    },
    currency: 'EUR',
    isWholesale: true,
    area: 'SE3',
  },
  tibber: {
    feed: {
      data: {
        viewer: {
          homes: [
            {
              currentSubscription: {
                priceInfo: {
                  current: { total: 0.1, currency: 'EUR' },
                  today: [
                    { total: 0.1, energy: 0.05, tax: 0.05, startsAt: '2026-11-22T13:00:00.000+01:00' },
                    { total: 0.08, energy: 0.04, tax: 0.04, startsAt: '2026-11-22T14:00:00.000+01:00' },
                  ],
                  tomorrow: [],
                },
              },
            },
          ],
        },
      },
    },
    currency: 'EUR',
    isWholesale: false,
  },
  octopus: {
    feed: {
      count: 2,
      next: null,
      results: [
        { value_exc_vat: 7.62, value_inc_vat: 8, valid_from: at(1), valid_to: at(2) },
        { value_exc_vat: 9.52, value_inc_vat: 10, valid_from: at(0), valid_to: at(1) },
      ],
    },
    currency: 'GBP',
    isWholesale: false,
  },
  'energy-charts': {
    feed: {
      unix_seconds: [FROM / 1_000, FROM / 1_000 + 3_600],
      price: [100, 80],
      unit: 'EUR / MWh',
      deprecated: false,
    },
    currency: 'EUR',
    isWholesale: true,
  },
  elprisetjustnu: {
    feed: [
      {
        SEK_per_kWh: 1.1,
        EUR_per_kWh: 0.1,
        EXR: 11,
        time_start: '2026-11-22T13:00:00+01:00',
        time_end: '2026-11-22T14:00:00+01:00',
      },
      {
        SEK_per_kWh: 0.88,
        EUR_per_kWh: 0.08,
        EXR: 11,
        time_start: '2026-11-22T14:00:00+01:00',
        time_end: '2026-11-22T15:00:00+01:00',
      },
    ],
    currency: 'EUR',
    isWholesale: true,
  },
  'spot-hinta': {
    feed: [
      { Rank: 2, DateTime: '2026-11-22T14:00:00+02:00', PriceNoTax: 0.08, PriceWithTax: 0.1 },
      { Rank: 1, DateTime: '2026-11-22T15:00:00+02:00', PriceNoTax: 0.06, PriceWithTax: 0.08 },
    ],
    currency: 'EUR',
    isWholesale: false,
  },
}

for (const [shape, { feed, currency, isWholesale, area = null }] of Object.entries(feeds)) {
  test(`the answer of ${shape} is read as it is meant`, () => {
    const read = parsePriceFeed(feed, { ...eur, area })
    assert.deepEqual([read.shape, read.currency, read.gaps], [shape, currency, null])
    const rate = currency === 'USD' ? 1 : 1.25
    const wanted = [0.1, 0.08].map((price, hour) => ({
      fromAtMs: FROM + hour * HOUR_MS,
      toAtMs: FROM + (hour + 1) * HOUR_MS,
      usdPerKwh: (price * rate).toFixed(9),
    }))
    assert.deepEqual(
      read.slots.map((slot) => ({ ...slot, usdPerKwh: slot.usdPerKwh.toFixed(9) })),
      wanted,
    )
    assert.equal(/wholesale/.test(read.notices.join()), isWholesale)
  })
}

test('fees and tax come on top of what the market says, and are then in the price', () => {
  const read = parsePriceFeed(feeds['awattar']?.feed, { ...eur, addPerKwh: 0.1, factor: 1.2 })
  assert.equal(read.slots[0]?.usdPerKwh.toFixed(9), ((0.1 + 0.1) * 1.2 * 1.25).toFixed(9))
  assert.deepEqual(read.notices, [])
})

test('an hour that is missing, or has no price, is a gap with a name', () => {
  const hour = (start: number, price: number | null) => [FROM / 1_000 + start * 3_600, price] as const
  const hours = [hour(0, 100), hour(1, null), hour(2, 90), hour(4, 80), hour(5, 80), hour(6, 80)]
  const feed = {
    unix_seconds: hours.map(([seconds]) => seconds),
    price: hours.map(([, price]) => price),
    unit: 'EUR / MWh',
  }
  assert.equal(
    parsePriceFeed(feed, eur).gaps,
    'No price for 2026-11-22 13:00 UTC to 2026-11-22 14:00 UTC, 2026-11-22 15:00 UTC to 2026-11-22 16:00 UTC.',
  )
})

test('quarters of an hour are quarters', () => {
  const seconds = [0, 15, 30, 45].map((minute) => (FROM + minute * MINUTE_MS) / 1_000)
  const { slots } = parsePriceFeed({ unix_seconds: seconds, price: [1, 2, 3, 4], unit: 'EUR / MWh' }, eur)
  assert.equal(slots.at(-1)?.toAtMs, FROM + HOUR_MS)
})

const hour = (price: object) => ({
  currency: 'EUR',
  prices: [{ from: at(0), to: at(1), per_kwh: 0.1, ...price }],
})
const refused: [why: string, feed: unknown, options: FeedOptions, message: RegExp][] = [
  [
    'another currency without its rate',
    feeds['awattar']?.feed,
    plainFeed,
    /in EUR, everything else is in USD/,
  ],
  ['an answer of nobody known', { hours: [1, 2, 3] }, eur, /Known are: shoal, awattar/],
  ['no prices', { currency: 'EUR', prices: [] }, eur, /is empty/],
  ['a time without its offset', hour({ from: '2026-11-22T12:00:00' }), eur, /no list of electricity prices/],
  ['prices per MWh as if per kWh', hour({ per_kwh: 100 }), eur, /125\.00 USD\/kWh\. Is it per MWh/],
  ['several areas and none chosen', feeds['energidataservice']?.feed, eur, /areas DK1, DK2/],
  ['an area that is not there', feeds['nordpool']?.feed, { ...eur, area: 'NO1' }, /areas FI, SE3/],
  [
    'a single hour without an end',
    { currency: 'EUR', prices: [{ from: at(0), per_kwh: 0.1 }] },
    eur,
    /without an end/,
  ],
  [
    'two currencies',
    {
      data: ['Eur/MWh', 'Sek/MWh'].map((unit, index) => ({
        start_timestamp: FROM + index * HOUR_MS,
        end_timestamp: FROM + (index + 1) * HOUR_MS,
        marketprice: 1,
        unit,
      })),
    },
    eur,
    /several currencies \(EUR, SEK\)/,
  ],
]
for (const [why, feed, options, message] of refused) {
  test(`${why} is refused`, () => {
    assert.throws(() => parsePriceFeed(feed, options), { code: 'config_invalid', message })
  })
}

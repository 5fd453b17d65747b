import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { nodeTimeZones } from '#host/node/node-time-zones.ts'
import { HOUR_MS, MINUTE_MS } from '#kernel/time.ts'
import { describeGaps, gapsOf, orderSlots, type PriceSlot } from './price-slots.ts'
import { priceAt, type Tariff } from './tariff.ts'
import { mergeHourly, parseTariff } from './tariff-file.ts'

const NOON = Date.UTC(2026, 10, 22, 12)

test('a flat tariff costs the same for ever', () => {
  const { tariff } = parseTariff({ kind: 'flat', currency: 'EUR', usd_per_unit: 1.2, per_kwh: 0.25 })
  assert.deepEqual(priceAt(tariff, NOON), { kind: 'known', usdPerKwh: 0.3, untilAtMs: null })
})

test('hours have their prices up to the next, and what has none says so', () => {
  const tariff = hours([
    [0, 1, 0.1],
    [1, 2, -0.02],
    [3, 4, 0.3],
  ])
  assert.deepEqual(priceAt(tariff, NOON), { kind: 'known', usdPerKwh: 0.1, untilAtMs: NOON + HOUR_MS })
  assert.deepEqual(priceAt(tariff, NOON + 2 * HOUR_MS - 1), {
    kind: 'known',
    usdPerKwh: -0.02,
    untilAtMs: NOON + 2 * HOUR_MS,
  })
  assert.deepEqual(priceAt(tariff, NOON + 2 * HOUR_MS), {
    kind: 'unknown',
    why: 'No price for 2026-11-22 14:00 UTC: prices reach from 2026-11-22 12:00 UTC to 2026-11-22 16:00 UTC, with a gap until 2026-11-22 15:00 UTC.',
  })
  for (const atMs of [NOON - 1, NOON + 4 * HOUR_MS]) assert.equal(priceAt(tariff, atMs).kind, 'unknown')
  assert.match(JSON.stringify(priceAt({ kind: 'hourly', slots: [] }, NOON)), /there is none/)
})

test('an instant has a price just when no gap covers it', () => {
  const slots = fc
    .array(fc.tuple(fc.nat(50), fc.integer({ min: 1, max: 3 })), { maxLength: 20 })
    .map((spans) => {
      const free: PriceSlot[] = []
      let end = 0
      for (const [skip, length] of spans) {
        free.push({ fromAtMs: end + skip, toAtMs: end + skip + length, usdPerKwh: skip })
        end += skip + length
      }
      return free
    })
  fc.assert(
    fc.property(slots, fc.nat(300), (given, atMs) => {
      const ordered = orderSlots([...given].reverse())
      const gaps = gapsOf(ordered, { fromAtMs: 0, toAtMs: 300 })
      const isGap = gaps.some((gap) => gap.fromAtMs <= atMs && atMs < gap.toAtMs)
      if (atMs < 300)
        assert.equal(priceAt({ kind: 'hourly', slots: ordered }, atMs).kind === 'unknown', isGap)
    }),
  )
})

test('gaps are named, the first five of them', () => {
  assert.equal(describeGaps([]), null)
  const gap = { fromAtMs: NOON, toAtMs: NOON + HOUR_MS }
  assert.equal(describeGaps([gap]), 'No price for 2026-11-22 12:00 UTC to 2026-11-22 13:00 UTC.')
  assert.match(describeGaps(Array.from({ length: 7 }, () => gap)) ?? '', /and 2 more\.$/)
})

test('one hour cannot have two prices, but may be said twice', () => {
  const slot = { fromAtMs: NOON, toAtMs: NOON + HOUR_MS, usdPerKwh: 0.1 }
  assert.deepEqual(orderSlots([slot, slot]), [slot])
  assert.throws(() => orderSlots([slot, { ...slot, usdPerKwh: 0.2 }]), {
    code: 'config_invalid',
    message: 'There are two prices for 2026-11-22 12:00 UTC: 0.1 and 0.2 USD/kWh. Give each hour once.',
  })
  assert.throws(() => orderSlots([{ ...slot, toAtMs: NOON }]), { message: /ends before it starts/ })
})

test('a later list of hours replaces those of an earlier one, and the gap between them is named', () => {
  const { tariff, notices } = mergeHourly(
    hours([
      [0, 1, 0.1],
      [1, 2, 0.2],
    ]),
    hours([
      [1, 2, 0.25],
      [3, 4, 0.3],
    ]),
  )
  const prices = [0, 1, 3].map((hour) => priceAt(tariff, NOON + hour * HOUR_MS))
  assert.deepEqual(
    prices.map((price) => price.kind === 'known' && price.usdPerKwh),
    [0.1, 0.25, 0.3],
  )
  assert.deepEqual(notices, ['No price for 2026-11-22 14:00 UTC to 2026-11-22 15:00 UTC.'])
})

test('a time of use follows local time, over midnight and through the change of the clock', () => {
  const { tariff, notices } = parseTariff(nights)
  assert.deepEqual(notices, [])
  // 2026-10-23 was a Friday; local time is two hours ahead until the 25th, 01:00 UTC, then one.
  const cases = [
    ['2026-10-23T19:59:00Z', 0.4],
    ['2026-10-23T20:00:00Z', 0.2],
    ['2026-10-24T03:59:00Z', 0.2],
    ['2026-10-24T04:00:00Z', 0.3],
    ['2026-10-26T04:59:00Z', 0.2],
    ['2026-10-26T05:00:00Z', 0.4],
  ] as const
  for (const [instant, usdPerKwh] of cases) {
    const price = priceAt(tariff, Date.parse(instant))
    assert.equal(price.kind === 'known' && price.usdPerKwh, usdPerKwh, instant)
  }
})

test('by the clocks of a place, days of 23 and 25 hours have their own hours', () => {
  const { tariff } = parseTariff(ofBerlin, { offsetsOf })
  const minutesAt = (usdPerKwh: number, day: string, next: string): number => {
    let minutes = 0
    for (let atMs = Date.parse(day); atMs < Date.parse(next); atMs += MINUTE_MS) {
      const price = priceAt(tariff, atMs)
      if (price.kind === 'known' && price.usdPerKwh === usdPerKwh) minutes++
    }
    return minutes / 60
  }
  const days = [
    ['2026-03-27T23:00Z', '2026-03-28T23:00Z', 16, 8],
    ['2026-03-28T23:00Z', '2026-03-29T22:00Z', 16, 7],
    ['2026-10-24T22:00Z', '2026-10-25T23:00Z', 16, 9],
  ] as const
  for (const [day, next, dear, cheap] of days)
    assert.deepEqual([minutesAt(0.34, day, next), minutesAt(0.24, day, next)], [dear, cheap], day)
})

test('a zone may be said beside the tariff, but not two of them', () => {
  const { time_zone: _zone, ...bare } = ofBerlin
  const at = Date.parse('2026-07-01T04:30Z')
  const beside = parseTariff(bare, { offsetsOf, timeZone: 'Europe/Berlin' })
  assert.deepEqual(priceAt(beside.tariff, at), priceAt(parseTariff(ofBerlin, { offsetsOf }).tariff, at))
  const refused: [file: unknown, timeZone: string | null, message: RegExp][] = [
    [ofBerlin, 'Europe/Paris', /clocks of Europe\/Berlin, and --time-zone says Europe\/Paris/],
    [{ ...ofBerlin, utc_offset_minutes: 60 }, null, /both a time zone .* and utc_offset_minutes/],
    [bare, null, /by whose clocks.*--time-zone/],
    [bare, 'Europe/Berln', /"Europe\/Berln" is no time zone/],
  ]
  for (const [file, timeZone, message] of refused)
    assert.throws(() => parseTariff(file, { offsetsOf, timeZone }), { code: 'config_invalid', message })
  assert.throws(() => parseTariff(ofBerlin), { message: /Time zones are not known here/ })
})

test('a price of a time of use holds until the time that it names', () => {
  const { tariff } = parseTariff(nights)
  fc.assert(
    fc.property(fc.nat(20_000), (minute) => {
      const atMs = Date.UTC(2026, 9, 20) + minute * MINUTE_MS
      const price = priceAt(tariff, atMs)
      assert.ok(price.kind === 'known' && price.untilAtMs !== null && price.untilAtMs > atMs)
      const last = priceAt(tariff, price.untilAtMs - 1)
      assert.ok(last.kind === 'known' && last.usdPerKwh === price.usdPerKwh)
    }),
  )
})

test('times that a time of use leaves out are named, and have no price', () => {
  const { tariff, notices } = parseTariff({
    kind: 'time_of_use',
    currency: 'USD',
    utc_offset_minutes: 0,
    periods: [
      { days: ['mon', 'tue', 'wed', 'thu', 'fri'], from: '00:00', to: '24:00', per_kwh: 0.2 },
      { days: ['sat', 'sun'], from: '00:00', to: '22:00', per_kwh: 0.1 },
    ],
    otherwise: null,
  })
  assert.deepEqual(notices, ['The tariff has no price for Sat 22:00-24:00, Sun 22:00-24:00.'])
  assert.deepEqual(priceAt(tariff, Date.parse('2026-11-22T22:30:00Z')), {
    kind: 'unknown',
    why: 'The tariff has no price for Sun 22:30 local time.',
  })
})

const refused: [file: unknown, message: RegExp][] = [
  [null, /the tariff/],
  [{ kind: 'spot' }, /kind/],
  [{ kind: 'flat', currency: 'EUR', per_kwh: 0.3 }, /usd_per_unit/],
  [{ kind: 'flat', currency: 'USD', per_kwh: 12 }, /12 USD\/kWh is no price.*cents/],
  [{ kind: 'flat', currency: 'USD', per_kwh: -0.1 }, /-0.1 USD\/kWh is no price/],
  [{ kind: 'flat', currency: 'dollars', per_kwh: 0.1 }, /three letters/],
  [
    {
      ...({ kind: 'time_of_use', currency: 'USD', utc_offset_minutes: 0, otherwise: 0.1 } as const),
      periods: [{ days: ['mon'], from: '25:00', to: '06:00', per_kwh: 0.1 }],
    },
    /periods\[0\]\.from/,
  ],
  [
    {
      kind: 'hourly',
      currency: 'USD',
      feed: {
        currency: 'EUR',
        prices: [{ from: '2026-11-22T12:00:00Z', to: '2026-11-22T13:00:00Z', per_kwh: 0.1 }],
      },
      usd_per_unit: 1.1,
    },
    /in USD, the prices in it are in EUR/,
  ],
]
for (const [file, message] of refused) {
  test(`a tariff file of ${JSON.stringify(file).slice(0, 70)} is refused`, () => {
    assert.throws(() => parseTariff(file), { code: 'config_invalid', message })
  })
}

const ofBerlin = {
  kind: 'time_of_use',
  currency: 'USD',
  time_zone: 'Europe/Berlin',
  periods: [
    {
      days: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'],
      from: '06:00',
      to: '22:00',
      per_kwh: 0.34,
    },
  ],
  otherwise: 0.24,
}
const offsetsOf = (zone: string) =>
  nodeTimeZones.offsets(zone, { fromMs: Date.UTC(2026, 0, 1), toMs: Date.UTC(2027, 0, 1) })

/** Dear by day on weekdays, cheap at night, something between on weekends. */
const nights = {
  kind: 'time_of_use',
  currency: 'USD',
  utc_offset_minutes: [
    { from: '2026-03-29T01:00:00Z', minutes: 120 },
    { from: '2026-10-25T01:00:00Z', minutes: 60 },
  ],
  periods: [
    { days: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'], from: '22:00', to: '06:00', per_kwh: 0.2 },
    { days: ['sat', 'sun'], from: '00:00', to: '24:00', per_kwh: 0.3 },
  ],
  otherwise: 0.4,
}

/** Hours after noon, and the price. */
function hours(
  spans: readonly (readonly [from: number, to: number, usdPerKwh: number])[],
): Tariff & { kind: 'hourly' } {
  const slots = spans.map(([from, to, usdPerKwh]) => ({
    fromAtMs: NOON + from * HOUR_MS,
    toAtMs: NOON + to * HOUR_MS,
    usdPerKwh,
  }))
  return { kind: 'hourly', slots }
}

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { type TestContext, test } from 'node:test'
import { fetchNetwork } from '#host/node/fetch-client.ts'
import { nodeTimeZones } from '#host/node/node-time-zones.ts'
import { HOUR_MS } from '#kernel/time.ts'
import { openTariffSource, type TariffOptions } from './tariff-source.ts'
import { createTestClock } from './test-clock.ts'

const START_MS = Date.parse('2026-11-22T10:00:00Z')

test('a tariff may be by the clocks of a place, said in it or beside it', async () => {
  const { utc_offset_minutes: _minutes, ...bare } = JSON.parse(timeOfUse)
  const file = JSON.stringify(bare)
  const beside = await setup({ tariff: 'tou.json', timeZone: 'Europe/Berlin' }, { file })
  const inside = await setup(
    { tariff: 'tou.json' },
    { file: JSON.stringify({ ...bare, time_zone: 'Europe/Berlin' }) },
  )
  for (const { source } of [beside, inside]) {
    // In winter Berlin is an hour ahead, in summer two.
    assert.deepEqual(source.at(START_MS), { usdPerKwh: 0.4, source: 'tou.json' })
    const summer = Date.parse('2026-07-01T20:30:00Z')
    assert.equal(source.at(summer)?.usdPerKwh, 0.1)
    assert.equal(source.at(summer - HOUR_MS)?.usdPerKwh, 0.4)
  }
  await assert.rejects(setup({ tariff: 'tou.json', timeZone: 'Europe/Berln' }, { file }), {
    code: 'config_invalid',
    message: /no time zone/,
  })
})

test("the day of an address is that of the tariff's calendar", async (t) => {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    response.end(JSON.stringify({ currency: 'USD', prices: [] }))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  t.after(() => server.close())
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  const tariff = `http://127.0.0.1:${port}/{date}`
  // It is 10:00 of the 22nd in UTC, and past midnight on Kiritimati, fourteen hours ahead.
  for (const timeZone of ['Pacific/Kiritimati', 'UTC', null])
    await setup({ tariff, timeZone }).catch(() => null)
  assert.deepEqual(
    asked.map((url) => url.slice(1)),
    ['2026-11-23', '2026-11-22', '2026-11-22'],
  )
})

test('a flat price holds for ever, and is nobody’s problem', async () => {
  const { source } = await setup({ usdPerKwh: 0.3 })
  assert.deepEqual(source.at(0), { usdPerKwh: 0.3, source: '--kwh' })
  assert.deepEqual(source.slots(5, 10), [{ fromMs: 5, usdPerKwh: 0.3 }])
  assert.equal(source.problem(), null)
})

test('without any price there is none, and that is no problem either', async () => {
  const { source } = await setup({})
  assert.deepEqual([source.at(0), source.problem()], [null, null])
})

test('a time-of-use file has its prices by local time', async () => {
  const { source } = await setup({ tariff: 'tou.json' }, { file: timeOfUse })
  assert.deepEqual(source.at(START_MS), { usdPerKwh: 0.4, source: 'tou.json' })
  assert.equal(source.at(START_MS + 12 * HOUR_MS)?.usdPerKwh, 0.1)
  assert.deepEqual(source.slots(START_MS, START_MS + 12 * HOUR_MS), [
    { fromMs: START_MS, usdPerKwh: 0.4 },
    { fromMs: START_MS + 11 * HOUR_MS, usdPerKwh: 0.1 },
  ])
})

test('a list with a gap says which hours lack a price, and nobody fills them in', async () => {
  const { source } = await setup({ tariff: 'prices.json' }, { file: hours([0, 1, 3], 0.2) })
  assert.match(
    source.problem() ?? '',
    /^No price for 2026-11-22 12:00 UTC to 2026-11-22 13:00 UTC\. There the node keeps its ask\.$/,
  )
  assert.equal(source.at(START_MS + 2 * HOUR_MS), null)
  assert.ok(source.slots(START_MS, START_MS + 4 * HOUR_MS).some((slot) => slot.usdPerKwh === null))
})

test('a gap takes the flat price only where its owner gave one, and says so', async () => {
  const { source } = await setup({ tariff: 'prices.json', usdPerKwh: 0.33 }, { file: hours([0, 1, 3], 0.2) })
  assert.match(source.problem() ?? '', /There --kwh 0\.33 counts/)
  assert.deepEqual(source.at(START_MS + 2 * HOUR_MS), { usdPerKwh: 0.33, source: '--kwh' })
  assert.deepEqual(source.at(START_MS + 3 * HOUR_MS), { usdPerKwh: 0.2, source: 'prices.json' })
})

test('prices that end are a problem once the hour comes', async () => {
  const { source, clock } = await setup({ tariff: 'prices.json' }, { file: hours([0, 1], 0.2) })
  assert.equal(source.problem(), null)
  await clock.run(2 * HOUR_MS)
  assert.match(source.problem() ?? '', /No price for 2026-11-22 12:00 UTC to 2026-11-22 13:00 UTC/)
})

const faults: readonly [name: string, file: string | null, message: RegExp][] = [
  ['a file that is missing', null, /cannot be read/],
  ['a file that is no JSON', 'per_kwh: 0.3', /is not JSON/],
  ['a file of something else', '{"a":1}', /no list of electricity prices that Shoal can read/],
  [
    'another currency without its worth',
    hours([0], 0.2, 'EUR'),
    /prices are in EUR, everything else is in USD/,
  ],
  [
    'a tariff in another currency without its worth',
    JSON.stringify({ kind: 'flat', currency: 'EUR', per_kwh: 0.3 }),
    /The tariff is in EUR/,
  ],
  ['two currencies in one list', mixed(), /several currencies \(EUR, SEK\)/],
  ['prices in cents', hours([0], 30), /Is it per MWh, or in cents/],
]

for (const [name, file, message] of faults) {
  test(`${name} is refused before the node serves`, async () => {
    await assert.rejects(setup({ tariff: 'prices.json' }, { file }), { code: 'config_invalid', message })
  })
}

test('another currency is turned into dollars at the rate that its owner gives', async () => {
  const { source } = await setup({ tariff: 'p.json', usdPerUnit: 1.1 }, { file: hours([0], 0.2, 'EUR') })
  assert.ok(Math.abs((source.at(START_MS)?.usdPerKwh ?? 0) - 0.22) < 1e-12)
})

test('a file is read again, and one that went bad leaves the prices as they were', async () => {
  const { source, clock, put } = await setup({ tariff: 'p.json' }, { file: hours([0, 1, 2, 3], 0.2) })
  put(hours([0, 1, 2, 3], 0.5))
  await clock.run(HOUR_MS)
  await source.refresh()
  assert.equal(source.at(START_MS)?.usdPerKwh, 0.5)
  put('{')
  await clock.run(HOUR_MS)
  await source.refresh()
  assert.equal(source.at(START_MS)?.usdPerKwh, 0.5)
  assert.match(source.problem() ?? '', /could not be renewed: The tariff p\.json is not JSON/)
})

test('an address is asked by the hour; what it said before stays known while it is away', async (t) => {
  const server = await serve(t, () => hours([0, 1, 2, 3], 0.2))
  const { source, clock, kept } = await setup({ tariff: server.url })
  assert.deepEqual(source.at(START_MS), { usdPerKwh: 0.2, source: new URL(server.url).host })
  await source.refresh()
  assert.equal(server.asked.length, 1)
  await clock.run(HOUR_MS)
  await source.refresh()
  assert.equal(server.asked.length, 2)
  await server.close()
  await clock.run(HOUR_MS)
  await source.refresh()
  assert.equal(source.at(clock.nowMs())?.usdPerKwh, 0.2)
  assert.match(source.problem() ?? '', /could not be renewed/)
  // Also for the agent that starts after it.
  const later = await setup({ tariff: server.url }, { kept })
  assert.equal(later.source.at(START_MS + HOUR_MS)?.usdPerKwh, 0.2)
  const other = await setup({ tariff: server.url.replace('prices', 'others') }, { kept })
  assert.equal(other.source.at(START_MS), null)
})

test('an address that is away when the node starts is a problem, no reason to stay away', async (t) => {
  const server = await serve(t, () => '')
  await server.close()
  const { source } = await setup({ tariff: server.url })
  assert.equal(source.at(START_MS), null)
  assert.match(source.problem() ?? '', /could not be renewed: .* No price for 2026-11-22 10:00 UTC/)
})

test('an address with a date in it is asked for today and for tomorrow, which may not be there yet', async (t) => {
  let hasTomorrow = false
  const server = await serve(t, (target) => {
    if (target.endsWith('2026/11-22')) return hours([0, 1], 0.2)
    return hasTomorrow ? hours([24, 25], 0.4) : null
  })
  const { source, clock } = await setup({ tariff: `${server.url}/{year}/{month}-{day}` })
  assert.deepEqual(server.asked, ['/prices/2026/11-22', '/prices/2026/11-23'])
  assert.equal(source.at(START_MS + 24 * HOUR_MS), null)
  hasTomorrow = true
  await clock.run(HOUR_MS)
  await source.refresh()
  assert.equal(source.at(START_MS + 24 * HOUR_MS)?.usdPerKwh, 0.4)
})

test('a tariff file may name the address of its prices, and what comes on top of them', async (t) => {
  const server = await serve(t, () =>
    JSON.stringify({
      data: [
        { start_timestamp: START_MS, end_timestamp: START_MS + HOUR_MS, marketprice: 100, unit: 'Eur/MWh' },
      ],
    }),
  )
  const file = {
    kind: 'hourly',
    currency: 'EUR',
    usd_per_unit: 1.1,
    feed: server.url,
    add_per_kwh: 0.2,
    factor: 1.19,
  }
  const { source } = await setup({ tariff: 'mine.json' }, { file: JSON.stringify(file) })
  assert.ok(Math.abs((source.at(START_MS)?.usdPerKwh ?? 0) - 0.3 * 1.19 * 1.1) < 1e-12)
  assert.deepEqual(source.notices(), [])
  const bare = await setup({ tariff: server.url, usdPerUnit: 1.1 })
  assert.match(bare.source.notices()[0] ?? '', /wholesale/)
})

const timeOfUse = JSON.stringify({
  kind: 'time_of_use',
  currency: 'USD',
  utc_offset_minutes: 60,
  periods: [
    { days: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'], from: '06:00', to: '22:00', per_kwh: 0.4 },
  ],
  otherwise: 0.1,
})

/** Prices for the hours after the start. */
function hours(after: readonly number[], per_kwh: number, currency = 'USD'): string {
  const at = (hour: number): string => new Date(START_MS + hour * HOUR_MS).toISOString()
  const prices = after.map((hour) => ({ from: at(hour), to: at(hour + 1), per_kwh }))
  return JSON.stringify({ currency, prices })
}

function mixed(): string {
  const hour = (index: number, unit: string) => ({
    start_timestamp: START_MS + index * HOUR_MS,
    end_timestamp: START_MS + (index + 1) * HOUR_MS,
    marketprice: 100,
    unit,
  })
  return JSON.stringify({ data: [hour(0, 'Eur/MWh'), hour(1, 'Sek/MWh')] })
}

/** A real server of prices; `null` is a 404. */
async function serve(t: TestContext, answer: (target: string) => string | null) {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    const text = answer(request.url ?? '')
    response.writeHead(text === null ? 404 : 200, { connection: 'close' }).end(text ?? '')
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  const close = async (): Promise<void> => {
    server.closeAllConnections()
    await new Promise((done) => server.close(done))
  }
  t.after(close)
  return { url: `http://127.0.0.1:${port}/prices`, asked, close }
}

async function setup(
  options: Partial<TariffOptions>,
  { file = null, kept = new Map() }: { file?: string | null; kept?: Map<string, string> } = {},
) {
  const clock = createTestClock(START_MS)
  let text = file
  const source = await openTariffSource(
    {
      clock,
      fetch: fetchNetwork,
      machine: { readFile: () => text },
      store: { read: (name) => kept.get(name) ?? null, write: (name, value) => void kept.set(name, value) },
      zones: nodeTimeZones,
    },
    { usdPerKwh: null, tariff: null, usdPerUnit: null, ...options },
  )
  return {
    source,
    clock,
    kept,
    put(next: string) {
      text = next
    },
  }
}

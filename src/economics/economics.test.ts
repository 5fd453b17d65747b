import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AssessOptions, assess, type RefusedInput, type RoiReport, withForecast } from './economics.ts'
import type { InputName } from './input-lines.ts'
import { RoiInput } from './roi-input.ts'
import { simulate } from './simulate.ts'
import { shippedCatalogue } from './test-catalogue.ts'

const catalogue = shippedCatalogue()
const NOW = Date.UTC(2026, 10, 22)

test('the worked example comes out of names and a few numbers', () => {
  const { account, breakEvens, payback, netPresentValueUsd } = setup({
    gpu: 'RTX 4090',
    electricityPerKwh: 0.1,
    loadWatts: 600,
    idleWatts: 96,
  })
  assert.equal(account?.netUsdPerDay?.toFixed(4), '0.5977')
  assert.equal(breakEvens.cashUsdPerKwh?.toFixed(4), '0.3356')
  assert.equal(breakEvens.fullUsdPerKwh?.toFixed(4), '0.1722')
  assert.equal(payback?.days?.toFixed(1), '1265.9')
  assert.equal(netPresentValueUsd?.toFixed(2), '101.26')
})

test('every number that goes in says where it is from and when that was', () => {
  const { inputs } = setup({ gpu: 'RTX 4090', country: 'DE', utilisation: 0.4 })
  const line = (name: InputName) => inputs.find((input) => input.name === name)
  assert.deepEqual([line('utilisation')?.origin, line('utilisation')?.source], ['given', 'you'])
  assert.equal(line('price')?.origin, 'catalogue')
  assert.match(line('price')?.source ?? '', /RunPod, community/)
  assert.match(line('electricity')?.source ?? '', /households in Germany: Eurostat/)
  assert.equal(line('fixedPerDay')?.origin, 'assumption')
  for (const { name, unit, source, asOf, origin } of inputs) {
    assert.ok(unit !== '' && source !== '', name)
    assert.ok(asOf !== null || origin === 'given' || origin === 'derived', name)
  }
  const names = inputs.map(({ name }) => name)
  assert.equal(new Set(names).size, names.length, 'none is said twice')
})

test('what is old is called old', () => {
  const { notices, inputs } = setup({ gpu: 'RTX 4090', country: 'DE' }, { nowMs: NOW })
  assert.match(notices.join(' '), /price of electricity is 510 days old \(2025-S1\)/)
  assert.equal(inputs.find(({ name }) => name === 'electricity')?.ageDays, 510)
})

test('what the owner says goes before what the node measured, and that before any assumption', () => {
  const measured = {
    utilisation: 0.21,
    loadWatts: 480,
    idleWatts: 75,
    source: 'this node',
    asOf: '2026-11-21',
  }
  const { inputs, terms, simulation } = setup(
    { gpu: 'RTX 4090', electricityPerKwh: 0.1, idleWatts: 80 },
    { measured },
  )
  assert.deepEqual([terms?.utilisation, terms?.loadWatts, terms?.idleWatts], [0.21, 480, 80])
  assert.equal(inputs.find(({ name }) => name === 'loadWatts')?.origin, 'measured')
  assert.equal(simulation?.ratedGpuWatts, 0, 'measured power does not vary with an assumption')
})

test('list prices and hopeful hours make an upper bound, and it is called one', () => {
  assert.deepEqual(setup({ gpu: 'RTX 4090', electricityPerKwh: 0.1 }).upperBounds, [
    'the rental price is a list price',
  ])
  const both = setup({ gpu: 'RTX 4090', electricityPerKwh: 0.1, utilisation: 0.8 })
  assert.equal(both.upperBounds.length, 2)
  assert.match(
    both.verdict,
    /upper bound, as the rental price is a list price and 80 % of all hours are rarely rented/,
  )
  const own = setup({ gpu: 'RTX 4090', electricityPerKwh: 0.1, pricePerGpuHour: 0.3 })
  assert.doesNotMatch(own.verdict, /upper bound/)
})

test('a place without a price for households is asked for one, and what can be said is said', () => {
  const report = setup({ gpu: 'RTX 4090', country: 'Austria' })
  assert.equal(report.account, null)
  const [unknown] = report.unknowns
  assert.deepEqual([unknown?.name, unknown?.flag, unknown?.unit], ['electricity', '--kwh', 'USD/kWh'])
  assert.match(unknown?.why ?? '', /no household price for Austria.*0\.1595 USD\/kWh without tax/)
  assert.equal(report.breakEvens.cashUsdPerKwh?.toFixed(2), '0.38')
  assert.match(
    report.verdict,
    /cannot be said before you tell the price of electricity \(--kwh\); running it pays below \$0\.38\/kWh/,
  )
})

test('where the loss of value is not known nothing is said to cover all costs', () => {
  const { breakEvens, verdict } = setup({ gpu: 'Tesla P40', electricityPerKwh: 0.2 })
  assert.deepEqual([breakEvens.minimumPriceUsdPerGpuHour, breakEvens.costUsdPerGpuHour], [null, null])
  assert.ok(
    (breakEvens.minimumCashPriceUsdPerGpuHour ?? 0) > 0 && (breakEvens.cashCostUsdPerGpuHour ?? 0) > 0,
  )
  assert.doesNotMatch(verdict, /all its costs/)
  assert.match(verdict, /covers its electricity and fixed costs from \$.*, its loss of value aside/)
})

test('on a network that pays a reward, nothing, or nobody knows how there is no forecast', () => {
  for (const [network, why] of [
    ['render', /no forecast on Render Network\. .*emission of RENDER.*Without --network/],
    ['gensyn', /No payout in money is documented/],
    ['nexus', /No primary source/],
  ] as const)
    assert.match(refusedMessage({ gpu: 'RTX 4090', electricityPerKwh: 0.1, network }), why)
})

test('a data centre pays the industrial price', () => {
  const { inputs } = setup({ gpu: 'H100 PCIe', country: 'AT', site: 'colocation' })
  assert.match(inputs.find(({ name }) => name === 'electricity')?.source ?? '', /large consumers in Austria/)
})

test('a GPU that nobody rents out is asked for a price, and the price that would do is said', () => {
  const { unknowns, breakEvens, verdict } = setup({ gpu: 'RTX 4060', country: 'US' })
  assert.deepEqual(
    unknowns.map(({ name }) => name),
    ['price'],
  )
  assert.ok((breakEvens.minimumPriceUsdPerGpuHour ?? 0) > 0)
  assert.match(verdict, /covers all its costs from \$0\.12 a GPU-hour up/)
})

test('a GPU without a price to buy it has a cash view, and the economic one is asked for', () => {
  const report = setup({ gpu: 'RTX A2000', electricityPerKwh: 0.1 })
  assert.deepEqual(
    report.unknowns.map(({ name, blocks }) => [name, blocks]),
    [['purchase', 'economic view']],
  )
  assert.match(report.unknowns[0]?.why ?? '', /At its launch it was 449 USD/)
  assert.ok(report.account && report.account.netUsdPerDay === null && report.forecast?.economic === null)
  assert.match(report.verdict, /cannot be said without its price \(--purchase\)/)
})

test('the power of a whole Apple machine is not made up', () => {
  const { unknowns } = setup({ gpu: 'M3 Ultra', electricityPerKwh: 0.1, pricePerGpuHour: 0.2 })
  assert.deepEqual(
    unknowns.map(({ name }) => name),
    ['loadWatts', 'idleWatts', 'purchase'],
  )
})

test('a network brings its part and its payout', () => {
  const { terms, simulation, network } = setup({ gpu: 'RTX 4090', electricityPerKwh: 0.1, network: 'Akash' })
  assert.equal(terms?.takeShare, 0)
  assert.deepEqual(simulation?.payout, {
    kind: 'token',
    tie: 'usd_indexed',
    volatilityPerYear: 1.03,
    lockDays: 1,
    isHeld: false,
  })
  assert.equal(network?.stability, 'usd_indexed_token_paid')
})

test('another currency is taken with its rate', () => {
  const { terms } = setup({ gpu: 'RTX 4090', electricityPerKwh: '€0.20', usdPer: { EUR: 1.25 } })
  assert.equal(terms?.electricityUsdPerKwh, 0.25)
})

const refusals: [what: string, change: Partial<RoiInput>, message: RegExp][] = [
  ['an unknown GPU', { gpu: '4900' }, /"4900" is not in the catalogue\. Closest are: GeForce RTX 4090,/],
  [
    'a GPU of several kinds',
    { gpu: 'H100' },
    /"H100" may be any of these GPUs: H100 PCIe 80GB, H100 SXM5 80GB/,
  ],
  ['an unknown place', { country: 'Germny' }, /Closest are: Germany \(DE\)/],
  ['a place of two kinds', { country: 'Georgia' }, /Georgia \(GE\), Georgia \(US-GA\)\. Say its code/],
  ['an unknown network', { network: 'golem' }, /Known are: render, ionet, akash/],
  [
    'electricity of 12 $/kWh',
    { electricityPerKwh: 12 },
    /12 USD\/kWh is no price of electricity: expected from 0 to 3\. Did you mean 0\.12/,
  ],
  ['electricity below zero', { electricityPerKwh: -0.1 }, /-0\.1 USD\/kWh is no price of electricity/],
  [
    'a price of 0',
    { pricePerGpuHour: 0 },
    /0 USD\/GPU-hour is no rental price.*At 0 there is nothing to work out/,
  ],
  ['a price below zero', { pricePerGpuHour: -1 }, /-1 USD\/GPU-hour is no rental price/],
  ['an absurd price', { pricePerGpuHour: 5_000 }, /5000 USD\/GPU-hour is no rental price/],
  [
    'a utilisation in percent',
    { utilisation: 50 },
    /50 is no rented share of all hours: expected from 0 to 1\. Did you mean 0\.5/,
  ],
  [
    'more rented than online',
    { utilisation: 0.9, availability: 0.8 },
    /rented 0\.9 of the time and online only 0\.8/,
  ],
  [
    'a currency without its rate',
    { electricityPerKwh: '0.30 EUR' },
    /price of electricity is in EUR, everything else is in USD.*--usd-per EUR=1\.17/,
  ],
  ['an amount with a comma', { electricityPerKwh: '0,30' }, /"0,30" is no price of electricity/],
  ['idle above load', { loadWatts: 100, idleWatts: 200 }, /cannot draw 200 W when idle and 100 W at work/],
  [
    'parked above idle',
    { loadWatts: 300, idleWatts: 50, offWatts: 60 },
    /cannot draw 60 W when parked and 50 W when idle/,
  ],
  ['half a GPU', { gpuCount: 1.5 }, /expected a whole number from 1 to 1000/],
  ['a forecast of no time', { months: 0 }, /0 months is no length of the forecast/],
]
for (const [what, change, message] of refusals) {
  test(`${what} is refused in plain words`, () => {
    const result = assess(catalogue, { gpu: 'RTX 4090', electricityPerKwh: 0.1, ...change }, { paths: 0 })
    assert.equal(result.kind, 'refused')
    assert.match((result as RefusedInput).problems.map((problem) => problem.message).join(' '), message)
  })
}

test('all that is wrong is said at once', () => {
  const result = assess(
    catalogue,
    { gpu: '4090', electricityPerKwh: 12, utilisation: 50, pricePerGpuHour: 0 },
    { paths: 0 },
  )
  assert.deepEqual(result.kind === 'refused' && result.problems.map(({ name }) => name), [
    'price',
    'electricity',
    'utilisation',
  ])
})

test('free electricity is taken, and questioned', () => {
  assert.match(
    setup({ gpu: 'RTX 4090', electricityPerKwh: 0 }).notices.join(),
    /right only where it could not be sold or saved/,
  )
})

test('who is rented all the time is online all the time', () => {
  const { terms, inputs } = setup({ gpu: 'RTX 4090', electricityPerKwh: 0.1, utilisation: 1 })
  assert.equal(terms?.availability, 1)
  assert.equal(inputs.find(({ name }) => name === 'availability')?.origin, 'derived')
})

test('a resale that the owner expects is what the forecast falls to', () => {
  const { simulation } = setup({
    gpu: 'RTX 4090',
    electricityPerKwh: 0.1,
    purchase: 1_000,
    resale: 250,
    lifeYears: 2,
  })
  assert.equal(simulation?.drivers.resale.medianPerYear, 0.5)
})

test('a machine that its owner expects to be worth nothing falls further than one worth a dollar', () => {
  const perYear = (resale: number): number => {
    const input = { gpu: 'RTX 4090', electricityPerKwh: 0.1, purchase: 1_600, lifeYears: 3, resale }
    return setup(input).simulation?.drivers.resale.medianPerYear ?? Number.NaN
  }
  assert.ok(perYear(0) < 0.11 && perYear(0) > 0, String(perYear(0)))
  assert.ok(perYear(0) <= perYear(1) && perYear(1) < perYear(100))
})

test('the assumed resale falls with the years in use', () => {
  const of = (lifeYears: number) => {
    const { capital, inputs } = setup({ gpu: 'RTX 4090', electricityPerKwh: 0.1, purchase: 1_000, lifeYears })
    const { source } = inputs.find(({ name }) => name === 'resale') ?? {}
    return { usd: Math.round(capital?.resaleUsd ?? Number.NaN), source }
  }
  assert.deepEqual(
    [0.5, 3, 6, 8].map((years) => of(years).usd),
    [858, 400, 160, 87],
  )
  assert.match(of(3).source ?? '', /40 % of the price after 3 years/)
  assert.match(of(8).source ?? '', /here at that rate after 8 years$/)
})

test('what a node sold at home is not taken for what it would sell on another network', () => {
  const known = {
    measured: {
      ...{ utilisation: 0.03, pricePerGpuHour: 0.02, availability: 0.9, takeShare: 0.5 },
      ...{ source: 'this node', asOf: '2026-11-21' },
    },
  }
  const at = (network?: string) => {
    const { terms } = setup({ gpu: 'RTX 4090', electricityPerKwh: 0.1, ...(network && { network }) }, known)
    return terms
  }
  assert.deepEqual([at()?.utilisation, at()?.priceUsdPerGpuHour], [0.03, 0.02])
  const there = at('vast')
  assert.deepEqual([there?.utilisation, there?.availability], [0.5, 0.9])
  assert.ok((there?.priceUsdPerGpuHour ?? 0) > 0.1)
})

test('a forecast made elsewhere fits into the report as if it were made here', () => {
  const input = { gpu: 'RTX 4090', electricityPerKwh: 0.1 }
  const bare = assess(catalogue, input, { paths: 0 })
  const whole = assess(catalogue, input, { paths: 500, seed: 4 })
  assert.ok(bare.kind === 'report' && bare.simulation && bare.forecast === null)
  assert.deepEqual(
    withForecast(bare, simulate({ ...bare.simulation, paths: 500 }, 4)).forecast,
    (whole as RoiReport).forecast,
  )
  assert.match(bare.verdict, /leaves \$\d\.\d\d a day after what it loses in value/)
})

const verdicts: [input: RoiInput, verdict: RegExp][] = [
  [
    { gpu: 'RTX 4090', electricityPerKwh: 0.1 },
    /^If you own the GeForce RTX 4090, run it: about \$2\.05 a day is left/,
  ],
  [
    { gpu: 'RTX 4090', electricityPerKwh: 0.1 },
    /buying one for \$2,470 is close to a coin toss: \d\d % of the futures lose money within 12 months/,
  ],
  [
    { gpu: 'RTX 4090', country: 'DE' },
    /^Do not run the GeForce RTX 4090 like this: it loses \$0\.48 a day, and would pay only below \$0\.38\/kWh/,
  ],
  [
    { gpu: 'RTX 4090', electricityPerKwh: 0.1, gpuCount: 4 },
    /^If you own the 4 GeForce RTX 4090, run it.*buying them for \$9,880/,
  ],
  [
    { gpu: 'RTX 4090', electricityPerKwh: 0.3393 },
    /^If you own the GeForce RTX 4090, it pays today, but not by much: .* as rents fall 5\d % of the futures lose/,
  ],
  [
    { gpu: 'RTX 4090', electricityPerKwh: 0.1, fixedPerDay: 5 },
    /earns its electricity but not its fixed costs: \$2\.70 a day are missing/,
  ],
]
for (const [input, verdict] of verdicts) {
  test(`the verdict on ${JSON.stringify(input)} is one sentence that says so`, () => {
    const report = setup(input, { paths: 4_000 })
    assert.match(report.verdict, verdict)
    assert.match(report.verdict, /^[^.]*(\d\.\d[^.]*)*\.$/)
  })
}

test('input from outside is checked by its schema', () => {
  assert.ok(
    RoiInput.safeParse({ gpu: 'RTX 4090', electricityPerKwh: '0.30 EUR', usdPer: { EUR: 1.17 } }).success,
  )
  for (const bad of [{}, { gpu: 1 }, { gpu: 'x', kwh: 0.1 }, { gpu: 'x', usdPer: { eur: 1 } }]) {
    assert.equal(RoiInput.safeParse(bad).success, false, JSON.stringify(bad))
  }
})

function refusedMessage(input: RoiInput): string {
  const result = assess(catalogue, input, { paths: 0 })
  return result.kind === 'refused' ? result.problems.map(({ message }) => message).join(' ') : 'a report'
}

function setup(input: RoiInput, options: AssessOptions = {}): RoiReport {
  const report = assess(catalogue, input, { paths: 300, ...options })
  assert.equal(report.kind, 'report', JSON.stringify(report))
  return report as RoiReport
}

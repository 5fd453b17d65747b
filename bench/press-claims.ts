/**
 * The figures of `docs/concepts/press-claims.md`, each with the command that gives it: `node bench/press-claims.ts` prints the
 * tables as they stand there; `bench/press-claims.test.ts` holds the page to them.
 */
import { parseCatalogue } from '#economics/catalogue.ts'
import { assess, type RoiReport } from '#economics/economics.ts'
import type { RoiInput } from '#economics/roi-input.ts'
import { readDataFiles } from '#host/node/data-files.ts'
import { assert } from '#kernel/assert.ts'

interface Figure {
  readonly what: string
  readonly input: Omit<RoiInput, 'gpu'>
  readonly read: (report: RoiReport) => string
}

const wall = { loadWatts: 600, idleWatts: 96 }
/** As those who claim it count: the whole hour, the network's quarter, and nothing else. */
const bare = { payoutFeeShare: 0, fixedPerDay: 0 }
const revenue = (report: RoiReport): string => `${usd(report.account?.revenueUsdPerDay)} a day`
const cash = (report: RoiReport): string => `${usd(report.account?.cashUsdPerDay)} a day`
const net = (report: RoiReport): string => `${usd(report.account?.netUsdPerDay)} a day`
const cashLine = (report: RoiReport): string => `${usd(report.breakEvens.cashUsdPerKwh, 3)}/kWh`
const fullLine = (report: RoiReport): string => `${usd(report.breakEvens.fullUsdPerKwh, 3)}/kWh`
const medianLine = (report: RoiReport): string =>
  `${usd(report.forecast?.fullBreakEvenUsdPerKwh?.p50, 3)}/kWh`
const loss = (report: RoiReport): string =>
  `${Math.round((report.forecast?.economic?.lossShare ?? Number.NaN) * 100)} %`

const at = (price: number, utilisation: number, rest: Omit<RoiInput, 'gpu'> = {}): Omit<RoiInput, 'gpu'> => ({
  electricityPerKwh: 0.1,
  pricePerGpuHour: price,
  utilisation,
  ...wall,
  ...rest,
})
/** The price at which a day of that utilisation leaves that much after the network's quarter. */
const earning = (
  usdPerDay: number,
  utilisation: number,
  rest: Omit<RoiInput, 'gpu'> = {},
): Omit<RoiInput, 'gpu'> =>
  at(Number((usdPerDay / 24 / utilisation / 0.75).toFixed(5)), utilisation, {
    ...bare,
    availability: 1,
    ...rest,
  })
const launch = { purchase: 1_599, resale: 639.6 }
const bought = { purchase: 2_470, resale: 988 }
const pessimistic = { purchase: 2_470, resale: 494, lifeYears: 2 }
/** The machine of the forecast: 600 W at most, 82 % of it in the middle. */
const forecast = { electricityPerKwh: 0.1, loadWattsMax: 600, idleWatts: 96 }

export const claims: Readonly<Record<string, readonly Figure[]>> = {
  'three to seven dollars a day': [
    {
      what: 'What $0.34 an hour brings at half the hours, after the network',
      input: at(0.34, 0.5, bare),
      read: revenue,
    },
    { what: '$3 takes 49 % of all hours', input: at(0.34, 0.49, bare), read: revenue },
    {
      what: '$7 is out of reach at this price, even with every hour rented',
      input: at(0.34, 1, bare),
      read: revenue,
    },
    { what: '$7 takes 97 % of all hours at $0.40', input: at(0.4, 0.9722, bare), read: revenue },
    { what: 'At the lowest offers of August 2026 not even $3 is', input: at(0.1348, 1, bare), read: revenue },
    { what: 'After electricity at $0.10, payout and fixed costs', input: at(0.34, 0.5), read: cash },
    { what: '… and after what a card bought for $2,470 loses in value', input: at(0.34, 0.5), read: net },
    {
      what: '… at the mean price of households in the USA',
      input: at(0.34, 0.5, { electricityPerKwh: 0.1872 }),
      read: net,
    },
    {
      what: '… at that of households in Germany',
      input: at(0.34, 0.5, { electricityPerKwh: 0.4495 }),
      read: net,
    },
  ],
  'ten cents is the line': [
    {
      what: 'Who owns the card and earns $3 at every hour: pays up to',
      input: earning(3, 1),
      read: cashLine,
    },
    { what: '… $5', input: earning(5, 1), read: cashLine },
    { what: '… $7', input: earning(7, 1), read: cashLine },
    { what: '… $1.20, as at the lowest offers', input: earning(1.2, 1), read: cashLine },
    { what: '… $3 at 60 % of the hours', input: earning(3, 0.6), read: cashLine },
    {
      what: 'Who bought at the launch price and earns $3 at every hour',
      input: earning(3, 1, launch),
      read: fullLine,
    },
    { what: 'Who bought at the price of 2026', input: earning(3, 1, bought), read: fullLine },
    { what: '… and writes it off to 20 % in two years', input: earning(3, 1, pessimistic), read: fullLine },
    { what: 'The worked example: half the hours at $0.34, cash', input: at(0.34, 0.5), read: cashLine },
    { what: '… with the loss in value', input: at(0.34, 0.5), read: fullLine },
    {
      what: 'Forecast of a year, bought for $2,470: the line in the middle',
      input: forecast,
      read: medianLine,
    },
    { what: '… how many futures lose money at $0.10', input: forecast, read: loss },
    { what: '… the line at 80 % of the hours', input: { ...forecast, utilisation: 0.8 }, read: medianLine },
    {
      what: '… the line if the card keeps 90 % of its price',
      input: { ...forecast, resale: 2_223, lifeYears: 1 },
      read: medianLine,
    },
  ],
}

const flags: Readonly<Partial<Record<keyof RoiInput, string>>> = {
  electricityPerKwh: '--kwh',
  pricePerGpuHour: '--price',
  utilisation: '--utilisation',
  availability: '--availability',
  loadWatts: '--watts',
  loadWattsMax: '--max-watts',
  idleWatts: '--idle-watts',
  payoutFeeShare: '--payout-fee',
  fixedPerDay: '--fixed',
  purchase: '--purchase',
  resale: '--resale',
  lifeYears: '--years',
}

export function commandOf(input: Figure['input']): string {
  const words = Object.entries(input).map(([name, value]) => {
    const flag = flags[name as keyof RoiInput]
    assert(flag !== undefined, `${name} has no flag here`)
    return `${flag} ${value}`
  })
  return `shoal roi --gpu "RTX 4090" ${words.join(' ')}`
}

/** The rows of the table of one claim, as Markdown. */
export function tableOf(figures: readonly Figure[]): string[] {
  const catalogue = parseCatalogue(readDataFiles())
  const rows = figures.map(({ what, input, read }) => {
    const report = assess(
      catalogue,
      { gpu: 'RTX 4090', ...input },
      { paths: read === medianLine || read === loss ? 20_000 : 0 },
    )
    assert(report.kind === 'report', 'a claim has no faulty input')
    // The range of the buyer's line is a field of the whole report.
    const json = read === medianLine ? ' --json' : ''
    return `| ${what} | **${read(report)}** | \`${commandOf(input)}${json}\` |`
  })
  return ['| what | result | command |', '|---|---|---|', ...rows]
}

function usd(amount: number | null | undefined, digits = 2): string {
  assert(amount !== null && amount !== undefined, 'a claim has a figure')
  return `${amount < 0 ? '-' : ''}$${Math.abs(amount).toFixed(digits)}`
}

if (import.meta.main) {
  const tables = Object.entries(claims).map(([claim, figures]) => ({ claim, rows: tableOf(figures) }))
  if (process.argv.includes('--json')) console.log(JSON.stringify({ tables }))
  else for (const { claim, rows } of tables) console.log(`${claim}\n\n${rows.join('\n')}\n`)
}

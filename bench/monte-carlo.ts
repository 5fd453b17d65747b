/**
 * How long a forecast of 20,000 futures takes on one core, and how far its percentiles vary from seed to seed, against what
 * as many independent futures would give. `node bench/monte-carlo.ts [--json] [--rounds N]` takes about 10 s.
 */
import { parseArgs } from 'node:util'
import { assumedDrivers } from '#economics/drivers.ts'
import { type Outlook, type SimulationInput, simulate } from '#economics/simulate.ts'
import { print } from './parts/machine.ts'

const PATHS = 20_000

const input: SimulationInput = {
  terms: {
    gpuCount: 1,
    priceUsdPerGpuHour: 0.34,
    utilisation: 0.5,
    availability: 0.97,
    takeShare: 0.25,
    payoutFeeShare: 0.01,
    fxHaircutShare: 0,
    gasUsdPerDay: 0,
    extraUsdPerGpuDay: 0,
    electricityUsdPerKwh: 0.1,
    loadWatts: 492,
    idleWatts: 96,
    offWatts: 0,
    psuEfficiency: 1,
    pue: 1,
    fixedUsdPerDay: 0.25,
    maintenanceUsdPerDay: 0,
  },
  ratedGpuWatts: 600,
  purchaseUsd: 2_470,
  payout: { kind: 'stable' },
  drivers: assumedDrivers,
  months: 12,
  paths: PATHS,
}

const { values } = parseArgs({
  options: { json: { type: 'boolean', default: false }, rounds: { type: 'string', default: '12' } },
})
const cpuMs: number[] = []
const outlooks: Outlook[] = []
for (let seed = 1; seed <= Number(values.rounds); seed++) {
  const before = process.cpuUsage()
  const { cash } = simulate(input, seed)
  const { user, system } = process.cpuUsage(before)
  cpuMs.push((user + system) / 1_000)
  outlooks.push(cash)
}
cpuMs.sort((a, b) => a - b)

const shares = { p5: 0.05, p50: 0.5, p95: 0.95 } as const
const spread = Object.entries(shares).map(([name, share]) => {
  const seen = outlooks.map(({ netUsd }) => netUsd[name as keyof typeof shares])
  const mean = seen.reduce((sum, value) => sum + value, 0) / seen.length
  const deviationUsd = Math.sqrt(
    seen.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (seen.length - 1),
  )
  return { name, meanUsd: mean, deviationUsd, independentUsd: independentDeviation(share, mean) }
})

/** Of a percentile of independent draws: the binomial's, over the density there. */
function independentDeviation(share: number, usd: number): number {
  const densities = outlooks.map(({ histogramUsd }) => {
    const bar = histogramUsd.find(({ from, to }) => usd >= from && usd < to)
    return bar ? bar.count / PATHS / (bar.to - bar.from) : Number.NaN
  })
  const density = densities.reduce((sum, value) => sum + value, 0) / densities.length
  return Math.sqrt((share * (1 - share)) / PATHS) / density
}

const median = cpuMs[cpuMs.length >> 1] ?? Number.NaN
const result = {
  paths: PATHS,
  rounds: cpuMs.length,
  cpuMs: { min: cpuMs[0], median, max: cpuMs.at(-1) },
  spread,
}
print(values.json, result, () => [
  `${PATHS} futures of up to 36 months: ${median.toFixed(0)} ms of processor time in the middle of ${cpuMs.length} rounds`,
  `(${cpuMs[0]?.toFixed(0)} to ${cpuMs.at(-1)?.toFixed(0)}; the first includes compiling). The aim is 1,000.`,
  '',
  ...spread.map(
    ({ name, meanUsd, deviationUsd, independentUsd }) =>
      `${name.padEnd(4)} $${meanUsd.toFixed(0)}, from seed to seed ± $${deviationUsd.toFixed(1)}; independent futures: ± $${independentUsd.toFixed(1)}`,
  ),
])

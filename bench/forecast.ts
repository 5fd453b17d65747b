/**
 * How far the income that nodes forecast on day 7 is from what the ledger pays them on days 8 to 30: 50 nodes of mixed
 * fleets under the real coordinator, gateways and agents in virtual time, for seeds 1 to 5. Fails where the median error of
 * a seed is above 15 %. `node bench/forecast.ts [--json] [--from S] [--seeds N] [--nodes N] [--days D] [--day D]
 * [--drift SHARE]`: --drift sets by what share demand grows in 30 days, instead of drawing it. Takes minutes a seed.
 */
import { parseArgs } from 'node:util'
import { fleetNames } from '#economics/fleet/named-fleets.ts'
import { monthPlan } from '#sim/fleet-run.ts'
import { type ForecastOutcome, type ForecastRun, runForecast } from '#sim/forecast-run.ts'
import { type ForecastScore, MEDIAN_MAX, scoreOf } from '#sim/forecast-score.ts'
import { print, whole } from './parts/machine.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    from: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '5' },
    nodes: { type: 'string', default: String(monthPlan.nodes) },
    days: { type: 'string', default: String(monthPlan.days) },
    day: { type: 'string', default: '7' },
    drift: { type: 'string' },
  },
})
const plan = {
  ...monthPlan,
  nodes: Number(values.nodes),
  days: Number(values.days),
  forecastDay: Number(values.day),
  ...(values.drift === undefined ? {} : { driftShare: Number(values.drift) }),
}
const [from, count] = [Number(values.from), Number(values.seeds)]
const isSound =
  Object.values(plan).every(Number.isFinite) &&
  [plan.nodes, plan.days, plan.forecastDay, from, count].every(
    (value) => Number.isSafeInteger(value) && value > 0,
  )
if (!isSound || plan.forecastDay >= plan.days) {
  console.error('Numbers are expected, all but the drift whole and above 0, and --day before --days.')
  process.exit(2)
}

interface Result extends ForecastScore {
  readonly seed: number
  readonly cpuSeconds: number
  readonly driftShare: number
  readonly bills: number
  readonly fleets: Readonly<Record<string, ForecastScore>>
  readonly statuses: ForecastRun['statuses']
}
const results: Result[] = []
const all: ForecastOutcome[] = []
for (let seed = from; seed < from + count; seed++) {
  const before = process.cpuUsage()
  const { outcomes, bills, driftShare, statuses } = await runForecast(seed, plan)
  const { user, system } = process.cpuUsage(before)
  const cpuSeconds = (user + system) / 1e6
  all.push(...outcomes)
  results.push({
    seed,
    ...scoreOf(outcomes),
    cpuSeconds,
    driftShare,
    bills,
    fleets: byFleet(outcomes),
    statuses,
  })
  const { median, p90 } = scoreOf(outcomes)
  if (!values.json)
    console.error(
      `seed ${seed}: median ${percent(median)}, P90 ${percent(p90)}, ${cpuSeconds.toFixed(0)} CPU-seconds`,
    )
}
const pooled = { ...scoreOf(all), fleets: byFleet(all) }

print(values.json, { bench: 'forecast', plan, results, pooled, medianMax: MEDIAN_MAX }, () => [
  `Income of days ${plan.forecastDay + 1} to ${plan.days}, forecast on day ${plan.forecastDay}, against the ledger: ${plan.nodes} nodes. Errors are shares of what was paid.`,
  '',
  ['seed', 'median', 'P90', 'naive', 'P90', 'P5..P95', 'sum', ...fleetNames, 'demand', 'bills', 'CPU s']
    .map(pad)
    .join(''),
  ...results.map((result) =>
    line(String(result.seed), result, [
      percent(result.driftShare, '+'),
      whole(result.bills),
      result.cpuSeconds.toFixed(0),
    ]),
  ),
  ...(results.length > 1 ? [line('all', pooled, [])] : []),
  '',
  'naive: the mean of the days before for each day after. P5..P95: nodes that were paid within that range, of which 90 % should be.',
  `fleets: the median of each. demand: how much it grows in 30 days. ${pooled.withoutRecord} of ${all.length} nodes had less than a day on record and made no forecast.`,
  `The forecast ${pooled.median < pooled.naiveMedian ? 'beats' : 'does not beat'} the naive one in the median, and ${pooled.p90 < pooled.naiveP90 ? 'beats' : 'does not beat'} it in P90.`,
])
const failed = results.filter(({ median }) => !(median <= MEDIAN_MAX))
for (const { seed, median } of failed)
  console.error(`Seed ${seed}: a median error of ${percent(median)}, above ${percent(MEDIAN_MAX)}.`)
process.exitCode = failed.length > 0 ? 1 : 0

function byFleet(outcomes: readonly ForecastOutcome[]): Record<string, ForecastScore> {
  return Object.fromEntries(
    fleetNames.map((fleet) => [fleet, scoreOf(outcomes.filter((outcome) => outcome.fleet === fleet))]),
  )
}

function line(
  name: string,
  score: ForecastScore & { readonly fleets: Readonly<Record<string, ForecastScore>> },
  rest: readonly string[],
): string {
  const { median, p90, naiveMedian, naiveP90, withinRange, ofAll, fleets } = score
  const medians = fleetNames.map((fleet) => percent(fleets[fleet]?.median ?? Number.NaN))
  const shares = [median, p90, naiveMedian, naiveP90, withinRange].map((share) => percent(share))
  return [name, ...shares, percent(ofAll, '+'), ...medians, ...rest].map(pad).join('')
}

function percent(share: number, sign: '+' | '' = ''): string {
  return `${share > 0 ? sign : ''}${(share * 100).toFixed(1)} %`
}

function pad(text: string): string {
  return text.padStart(11)
}

/** `npm run sim`: runs seeds and prints how to replay the first one that fails. */
import { parseArgs } from 'node:util'
import { HOUR_MS, MINUTE_MS } from '#kernel/time.ts'
import { runFarmSeeds } from './farm-seeds.ts'
import { runMoneySeeds } from './money-seeds.ts'
import { runScenario } from './reliability/scenarios.ts'
import { administersIn, hasForgersIn, isMoodyIn, type SimPlan } from './sim-plan.ts'
import { simulate } from './simulate.ts'

const usage = `Usage: npm run sim -- [--seeds N] [--from S] [--twice] [--nodes N] [--minutes M] [--verbose]
       npm run sim -- --farm [--seeds N] [--from S] [--twice] [--verbose]
       npm run sim -- --money [--seeds N] [--from S] [--verbose]
       npm run sim -- --reliability NAME [--seed S] [--quick] [--share P] [--json | --table]

  --farm        render farms: the job engine among nodes that crash, freeze, straggle and lie
  --money       the whole network with its ledger: agents, gateways and coordinator that break, what liars end with, and honest nodes
  --reliability NAME  one reliability scenario, its figures, and whether they are what is promised; --quick: a shorter one
  --share P     of malicious: so many percent of the nodes cheat (10, and then 30)
  --table       of malicious: the table of the docs
  --seeds N     how many seeds to run (500)
  --from S      the first of them (1)
  --twice       runs each seed twice and compares the digests
  --nodes N     fixes the number of nodes, instead of 20 to 31 by seed
  --minutes M   fixes the minutes under load, instead of 15
  --verbose     prints each seed's plan, calls and faults`

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '500' },
    from: { type: 'string', default: '1' },
    twice: { type: 'boolean', default: false },
    nodes: { type: 'string' },
    minutes: { type: 'string' },
    verbose: { type: 'boolean', default: false },
    farm: { type: 'boolean', default: false },
    money: { type: 'boolean', default: false },
    reliability: { type: 'string' },
    seed: { type: 'string', default: '1' },
    share: { type: 'string' },
    table: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const [seeds, from] = [Number(values.seeds), Number(values.from)]
if (values.help || !(seeds > 0) || !Number.isSafeInteger(from)) {
  console.log(usage)
  process.exit(values.help ? 0 : 2)
}
if (values.reliability !== undefined) {
  const { reliability: name, quick: isQuick, json: isJson, table: isTable } = values
  const share = values.share === undefined ? {} : { sharePercent: Number(values.share) }
  const { text: told, passes } = await runScenario(name, {
    seed: Number(values.seed),
    isQuick,
    isJson,
    isTable,
    ...share,
  })
  console.log(told)
  process.exit(passes ? 0 : 1)
}
if (values.farm) {
  const sums = await runFarmSeeds({
    from,
    seeds,
    isTwice: values.twice,
    onRun: (run) => values.verbose && console.log(JSON.stringify(run)),
  })
  console.log(`${seeds} seeds passed: ${JSON.stringify(sums)}`)
  process.exit(0)
}
if (values.money) {
  const { byManner, ...sums } = await runMoneySeeds({
    from,
    seeds,
    onRun: (run) => values.verbose && console.log(text(run)),
  })
  console.log(`${seeds} seeds passed: ${text(sums)}`)
  for (const [manner, sum] of Object.entries(byManner)) console.log(`  ${manner}: ${text(sum)}`)
  process.exit(0)
}
const override: Partial<SimPlan> = {
  ...(values.nodes ? { nodes: Number(values.nodes) } : {}),
  ...(values.minutes ? { loadMs: Number(values.minutes) * MINUTE_MS } : {}),
}

const cpuStart = process.cpuUsage()
let events = 0
let simulatedMs = 0
let requests = 0
let secondTries = 0
for (let seed = from; seed < from + seeds; seed++) {
  try {
    const plan = {
      administers: administersIn(seed),
      isMoody: isMoodyIn(seed),
      hasForgers: hasForgersIn(seed),
      ...override,
    }
    const run = await simulate(seed, plan)
    requests += run.gateways.admitted
    secondTries += run.gateways.hedged
    events += run.events
    simulatedMs += run.simulatedMs
    if (values.twice) {
      const again = await simulate(seed, plan)
      events += again.events
      simulatedMs += again.simulatedMs
      if (again.digest !== run.digest) throw new Error(`two runs differ: ${run.digest} and ${again.digest}`)
    }
    if (values.verbose)
      console.log(
        seed,
        JSON.stringify(run, (_, value) => (typeof value === 'bigint' ? `${value}` : value)),
      )
    else process.stdout.write(seed % 10 === 0 ? `${seed}\n` : '.')
  } catch (error) {
    const rest = [values.nodes && `--nodes ${values.nodes}`, values.minutes && `--minutes ${values.minutes}`]
    console.error(`\nseed ${seed} failed:`, error)
    console.error(
      `replay it with: npm run sim -- --seeds 1 --from ${seed} ${rest.filter(Boolean).join(' ')} --verbose`,
    )
    process.exit(1)
  }
}
const { user, system } = process.cpuUsage(cpuStart)
const cpuSeconds = (user + system) / 1e6
const hours = simulatedMs / HOUR_MS
console.log(
  `\n${seeds} seeds passed: ${hours.toFixed(1)} simulated hours in ${cpuSeconds.toFixed(1)} CPU-seconds ` +
    `(${(hours / cpuSeconds).toFixed(2)} simulated hours per CPU-second), ${Math.round(events / cpuSeconds)} events/s; ` +
    `${requests} requests, ${secondTries} second tries (${((100 * secondTries) / Math.max(1, requests)).toFixed(2)} %)`,
)

function text(value: unknown): string {
  return JSON.stringify(value, (_, one) => (typeof one === 'bigint' ? `${one}` : one))
}

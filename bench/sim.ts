/**
 * How much simulated time the simulator runs through in a second of processor time, with 100 nodes and the real code of
 * coordinator, gateways and agents: heartbeats alone, a light load, and the faults that the tests draw.
 * Every run is checked like any other run of the simulator. The first of a process includes compiling its code.
 */
import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { assert } from '#kernel/assert.ts'
import { HOUR_MS } from '#kernel/time.ts'
import { faultKinds, type SimPlan } from '#sim/sim-plan.ts'
import { simulate } from '#sim/simulate.ts'
import { print, whole } from './parts/machine.ts'

const NODES = 100

/** A network where nothing goes wrong. Nodes send a heartbeat every 2 s; an operator makes a deposit about every 15 s. */
const calm: Partial<SimPlan> = {
  nodes: NODES,
  gateways: 2,
  balanceUsd: 50,
  latencyMsMax: 20,
  busDelayMsMax: 10,
  busLossPer10k: 0,
  busDuplicatePer10k: 0,
  skewMsMax: 0,
  leavePercent: 0,
  slowReaderPercent: 0,
  faultEveryMs: Object.fromEntries(faultKinds.map((kind) => [kind, null])) as SimPlan['faultEveryMs'],
}

interface Scenario {
  readonly what: string
  readonly plan: Partial<SimPlan>
  readonly seeds: number
  readonly hours: number
}
const scenarios: Readonly<Record<string, Scenario>> = {
  quiet: {
    what: 'heartbeats alone',
    plan: { ...calm, clients: 1, thinkMs: 1_000_000_000 },
    seeds: 3,
    hours: 4,
  },
  light: {
    what: '10 requests a minute, without faults',
    plan: { ...calm, clients: 10, thinkMs: 60_000 },
    seeds: 4,
    hours: 4,
  },
  faults: {
    what: 'the load and the faults that the tests draw by seed',
    plan: { nodes: NODES },
    seeds: 16,
    hours: 0.5,
  },
}

interface Run {
  readonly seed: number
  readonly hours: number
  readonly cpuSeconds: number
  readonly events: number
  readonly requests: number
}
interface Result {
  readonly scenario: string
  readonly what: string
  readonly runs: readonly Run[]
  readonly hoursPerCpuSecond: number
  /** Of the first run alone. */
  readonly hoursPerCpuSecondCold: number
  /** Of all others; `null` when there is none. */
  readonly hoursPerCpuSecondWarm: number | null
  readonly eventsPerCpuSecond: number
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      run: { type: 'string' },
      hours: { type: 'string' },
      seeds: { type: 'string' },
    },
  })
  const names = positionals.length > 0 ? positionals : Object.keys(scenarios)
  const unknown = names.find((name) => !(name in scenarios))
  if (unknown !== undefined) {
    console.error(`There is no scenario '${unknown}'. There are: ${Object.keys(scenarios).join(', ')}.`)
    process.exit(2)
  }
  if (values.run !== undefined) {
    const scenario = scenarios[values.run]
    assert(scenario, 'a scenario is run by its name')
    const hours = Number(values.hours ?? scenario.hours)
    console.log(
      JSON.stringify(await run({ ...scenario, hours, seeds: Number(values.seeds ?? scenario.seeds) })),
    )
  } else {
    const results = names.map((name) => inProcess(name, process.argv.slice(2)))
    print(values.json, { bench: 'sim', nodes: NODES, results }, () => [
      `Simulated hours per second of processor time (all threads), ${NODES} nodes with a heartbeat every 2 s:`,
      '',
      ...results.map(describe),
    ])
  }
}

async function run({ plan, seeds, hours }: Scenario): Promise<Run[]> {
  const runs: Run[] = []
  for (let seed = 1; seed <= seeds; seed++) {
    const before = process.cpuUsage()
    const { simulatedMs, events, usageRecords } = await simulate(seed, { ...plan, loadMs: hours * HOUR_MS })
    const { user, system } = process.cpuUsage(before)
    runs.push({
      seed,
      hours: simulatedMs / HOUR_MS,
      cpuSeconds: (user + system) / 1e6,
      events,
      requests: usageRecords,
    })
  }
  return runs
}

/** In a process of its own, so that no scenario finds code that another has warmed. */
function inProcess(name: string, options: readonly string[]): Result {
  const passed = options.filter(
    (option, index) => /^--(hours|seeds)/.test(option) || /^--(hours|seeds)$/.test(options[index - 1] ?? ''),
  )
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [import.meta.filename, '--run', name, ...passed],
    { encoding: 'utf8' },
  )
  assert(status === 0, `a scenario runs: ${stderr}`)
  const runs = JSON.parse(stdout) as Run[]
  const rate = (some: readonly Run[]): number => sum(some, 'hours') / sum(some, 'cpuSeconds')
  return {
    scenario: name,
    what: scenarios[name]?.what ?? '',
    runs,
    hoursPerCpuSecond: rate(runs),
    hoursPerCpuSecondCold: rate(runs.slice(0, 1)),
    hoursPerCpuSecondWarm: runs.length > 1 ? rate(runs.slice(1)) : null,
    eventsPerCpuSecond: sum(runs, 'events') / sum(runs, 'cpuSeconds'),
  }
}

function sum(runs: readonly Run[], field: 'hours' | 'cpuSeconds' | 'events' | 'requests'): number {
  return runs.reduce((total, run) => total + run[field], 0)
}

function describe(result: Result): string {
  const { scenario, what, runs, hoursPerCpuSecond, hoursPerCpuSecondCold, hoursPerCpuSecondWarm } = result
  const others = hoursPerCpuSecondWarm === null ? '' : `, others ${hoursPerCpuSecondWarm.toFixed(2)}`
  return (
    `${scenario.padEnd(7)} ${hoursPerCpuSecond.toFixed(2)} (first run ${hoursPerCpuSecondCold.toFixed(2)}${others}), ` +
    `${whole(result.eventsPerCpuSecond)} events/s: ${what}; ` +
    `${runs.length} runs, ${sum(runs, 'hours').toFixed(1)} h, ${whole(sum(runs, 'requests'))} requests, ` +
    `${sum(runs, 'cpuSeconds').toFixed(1)} CPU-seconds`
  )
}

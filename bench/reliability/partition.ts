/**
 * A third of the nodes cut off from the network: both ways, one way only, and again and again, each behind a TCP proxy that lets
 * nothing pass. What callers get meanwhile, and how soon the nodes are back when it heals.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type ChaosFleet, startChaosFleet } from '../../test/chaos/chaos-fleet.ts'
import type { Direction } from '../../test/chaos/chaos-proxy.ts'
import { until } from '../../test/e2e/process-group.ts'
import { openRig, startNetwork } from '../../test/e2e/rig.ts'
import { spread } from '../parts/spread.ts'
import { proveRun } from './prove-run.ts'
import { atMost, type ScenarioOptions, type ScenarioResult, tell } from './scenario.ts'
import { shareText } from './share-text.ts'
import { startSteady } from './steady-load.ts'

const AGENTS = 6
const CUT = 2
const TOKENS = 64
const RECOVERY_MS_MAX = 15_000
const SUCCESS_MIN = 0.999

interface Phase {
  readonly name: string
  readonly directions: readonly Direction[]
  /** Cut for so long, whole for as long, so many times. */
  readonly cutMs: number
  readonly times: number
}

export async function partition({ seed, isQuick }: ScenarioOptions): Promise<ScenarioResult> {
  const long = isQuick ? 20_000 : 300_000
  const phases: readonly Phase[] = [
    { name: 'both ways', directions: ['up', 'down'], cutMs: long, times: 1 },
    { name: 'from the node only', directions: ['up'], cutMs: isQuick ? 12_000 : 60_000, times: 1 },
    { name: 'to the node only', directions: ['down'], cutMs: isQuick ? 12_000 : 60_000, times: 1 },
    { name: 'every 10 s', directions: ['up', 'down'], cutMs: 10_000, times: isQuick ? 1 : 5 },
  ]
  const rig = openRig()
  try {
    const network = await startNetwork(rig, rig.path('data'), ['--no-agent'])
    const fleet = await startChaosFleet({ rig, network, count: AGENTS, seed })
    const { openaiBaseUrl: baseUrl, apiKey } = network.ready
    const load = startSteady({ baseUrl, apiKey, model: 'tiny', perSecond: 8, tokens: TOKENS, seed })
    await sleep(5_000)
    const recoveries: { phase: string; ms: number }[] = []
    for (const phase of phases) {
      for (let time = 0; time < phase.times; time++) {
        const ms = await cutOnce(fleet, phase)
        recoveries.push({ phase: phase.name, ms })
        tell(`${phase.name}: all back ${Math.round(ms)} ms after it healed`)
        await sleep(phase.times > 1 ? 10_000 : 2_000)
      }
    }
    const results = await load.stop()
    await fleet.close()
    const well = results.filter(({ error }) => error === null)
    const { texts, checks } = await proveRun({ rig, network, results, tokens: TOKENS })
    const share = well.length / Math.max(1, results.length)
    return {
      figures: {
        agents: AGENTS,
        cut: CUT,
        phases,
        requests: results.length,
        errors: results.flatMap(({ error }) => error ?? []),
        firstTokenMs: spread(well.flatMap(({ firstTokenMs }) => firstTokenMs ?? [])),
        continued: results.filter(({ continuations }) => continuations > 0).length,
        recoveries,
        texts,
      },
      checks: [
        {
          what: 'streams that ended well, without the caller trying again',
          found: shareText(well.length, results.length),
          pass: '≥ 99.9 %',
          isPassed: share >= SUCCESS_MIN,
        },
        ...checks,
        atMost(
          'until all nodes serve after it healed, at most',
          Math.max(...recoveries.map(({ ms }) => ms)),
          RECOVERY_MS_MAX,
          'ms',
        ),
      ],
    }
  } finally {
    await rig.dispose()
  }
}

/** Answers how long after it healed all nodes were ready again. */
async function cutOnce(fleet: ChaosFleet, { directions, cutMs }: Phase): Promise<number> {
  const apart = fleet.agents.slice(0, CUT)
  for (const { proxy } of apart) proxy.cut(directions)
  await sleep(cutMs)
  for (const { proxy } of apart) proxy.heal()
  const healedMs = performance.now()
  await until('all nodes to serve again', async () => (await fleet.ready()) >= AGENTS)
  return performance.now() - healedMs
}

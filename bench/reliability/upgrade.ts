/**
 * Another release, under load: a network and agents of the build before; the network becomes this one, then agent by agent; then the
 * agents go back. What began before each step ends, and nobody is lost.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type ChaosFleet, startChaosFleet } from '../../test/chaos/chaos-fleet.ts'
import { unpackPreviousBuild } from '../../test/e2e/previous-build.ts'
import { until } from '../../test/e2e/process-group.ts'
import { openRig } from '../../test/e2e/rig.ts'
import { proveRun } from './prove-run.ts'
import { atMost, none, type ScenarioOptions, type ScenarioResult, tell } from './scenario.ts'
import { type Steady, startSteady } from './steady-load.ts'
import { startWrapped } from './wrapped-network.ts'

const AGENTS = 4
const PER_SECOND = 6
const AWAY_MS_MAX = 15_000
const TOKENS = 64
/**
 * Nobody listens there, or it says that it is going: the call never began. One whose connection broke may have been taken, and that is
 * a loss, whether its first token had come or not.
 */
const NOT_BEGUN = /ECONNREFUSED|^503/

export async function upgrade({ seed, isQuick }: ScenarioOptions): Promise<ScenarioResult> {
  const rig = openRig()
  try {
    const previous = unpackPreviousBuild(rig)
    if (typeof previous === 'string') throw new Error(previous)
    const present = [process.execPath, new URL('../../bin/shoal.ts', import.meta.url).pathname]
    const isPresent = Array.from({ length: AGENTS }, () => false)
    const old = await startWrapped(rig, [], { shoal: previous.command })
    const fleet = await startChaosFleet({
      ...{ rig, network: old, count: AGENTS, seed },
      commandOf: (index) => (isPresent[index] ? present : previous.command),
      knowsRendering: (index) => isPresent[index] === true,
    })
    const { openaiBaseUrl: baseUrl, apiKey } = old.ready
    const load = startSteady({ baseUrl, apiKey, model: 'tiny', perSecond: PER_SECOND, tokens: TOKENS, seed })
    const pauseMs = isQuick ? 2_000 : 10_000
    await sleep(pauseMs)

    tell('the network becomes this release')
    const leftMs = performance.now()
    old.program.signal('SIGTERM')
    await old.program.end
    const network = await startWrapped(rig, [], { port: new URL(old.ready.apiUrl).port })
    const awayMs = performance.now() - leftMs
    const ready = async (): Promise<number> => {
      const { models } = await network.status()
      return models.find(({ model }) => model === 'tiny')?.nodes ?? 0
    }
    await until('the agents to be back', async () => (await ready()) === AGENTS)
    await sleep(pauseMs)
    for (const toPresent of [true, false]) {
      tell(toPresent ? 'the agents become this release' : 'the agents go back')
      for (const [index] of fleet.agents.entries()) await roll({ fleet, index, isPresent, toPresent, ready })
      await sleep(pauseMs)
    }
    const results = await load.stop()
    const failed = results.filter(({ error }) => error !== null)
    const { begun, late, away } = sortFailures(results, { leftMs, backMs: leftMs + awayMs })
    const { checks } = await proveRun({ rig, network, results, tokens: TOKENS })
    await fleet.close()
    return {
      figures: {
        previous: previous.release,
        agents: AGENTS,
        requests: results.length,
        errors: Object.entries(Object.groupBy(failed, ({ error }) => error ?? '')).map(
          ([error, some = []]) => `${some.length} × ${error}`,
        ),
        notBegunWhileTheNetworkWasAway: away.length,
        awayMs,
      },
      checks: [
        none('calls that were taken and lost', begun.length),
        none('calls refused while the network was there', late.length),
        atMost('the network was away for its own upgrade', awayMs, AWAY_MS_MAX, 'ms'),
        ...checks,
      ],
      notRun: [
        'the network’s own way back: a newer journal is not for an older release, a backup is (`docs/operating/upgrade.md`)',
      ],
    }
  } finally {
    await rig.dispose()
  }
}

/** Of calls that failed: lost ones, those that were refused while the network was there, and while it was away. */
export function sortFailures(
  results: readonly Steady[],
  { leftMs, backMs }: { leftMs: number; backMs: number },
): Record<'begun' | 'late' | 'away', Steady[]> {
  const failed = results.filter(({ error }) => error !== null)
  const begun = failed.filter(
    ({ error, firstTokenMs }) => firstTokenMs !== null || !NOT_BEGUN.test(error ?? ''),
  )
  const notBegun = failed.filter((one) => !begun.includes(one))
  const late = notBegun.filter(({ startedMs }) => startedMs < leftMs - 1_000 || startedMs > backMs + 2_000)
  return { begun, late, away: notBegun.filter((one) => !late.includes(one)) }
}

interface Roll {
  readonly fleet: ChaosFleet
  readonly index: number
  readonly isPresent: boolean[]
  readonly toPresent: boolean
  readonly ready: () => Promise<number>
}

async function roll({ fleet, index, isPresent, toPresent, ready }: Roll): Promise<void> {
  const agent = fleet.agents[index]
  if (!agent) return
  isPresent[index] = toPresent
  await fleet.replace(agent)
  await until('all agents to serve', async () => {
    if (agent.program.isOver()) throw new Error(agent.program.output())
    return (await ready()) === AGENTS
  })
}

/**
 * Agents killed one after the other, all the while, each as it sends an answer, under a steady load of streams: how many callers got their whole answer
 * without trying again, whether each text is what the engine says alone, and how long the first token took.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { createRandom } from '#kernel/random.ts'
import { startChaosFleet } from '../../test/chaos/chaos-fleet.ts'
import { openRig, startNetwork } from '../../test/e2e/rig.ts'
import { spread } from '../parts/spread.ts'
import { newAim } from './aim.ts'
import { proveRun, textChecks } from './prove-run.ts'
import { none, type ScenarioOptions, type ScenarioResult, tell } from './scenario.ts'
import { shareText } from './share-text.ts'
import { type Steady, startSteady } from './steady-load.ts'
import { proveTexts } from './text-proof.ts'

const AGENTS = 20
const PER_SECOND = 20
const TOKENS = 96
const KILL_EVERY_MS = 5_000
const SUCCESS_MIN = 0.999

/** `seconds`: 520 make ten thousand requests. */
export async function churn({ seed, isQuick }: ScenarioOptions): Promise<ScenarioResult> {
  const seconds = isQuick ? 60 : 520
  const rig = openRig()
  try {
    const network = await startNetwork(rig, rig.path('data'), ['--no-agent'])
    tell(`starting ${AGENTS} agents`)
    const aim = newAim()
    const fleet = await startChaosFleet({ rig, network, count: AGENTS, seed, onPiece: aim.onPiece })
    const { openaiBaseUrl: baseUrl, apiKey } = network.ready
    const load = { baseUrl, apiKey, model: 'tiny', perSecond: PER_SECOND, tokens: TOKENS }
    const calm = startSteady({ ...load, seed: seed + 1 })
    await sleep(isQuick ? 10_000 : 20_000)
    const healthy = await calm.stop()

    const random = createRandom(seed)
    const stormy = startSteady({ ...load, seed: seed + 2 })
    const startedMs = performance.now()
    let kills = 0
    while (performance.now() - startedMs < seconds * 1_000) {
      const index = random.int(AGENTS)
      const nextMs = performance.now() + KILL_EVERY_MS
      await aim.next(index)
      const agent = fleet.agents[index]
      if (agent) fleet.kill(agent)
      kills++
      if (kills % 6 === 0) {
        const failed = stormy.results.filter(({ error }) => error !== null).length
        tell(
          `${kills} kills, ${stormy.results.length} streams, ${failed} failed, ${await fleet.ready()} agents ready`,
        )
      }
      await sleep(Math.max(0, nextMs - performance.now()))
    }
    const results = await stormy.stop()
    await fleet.close()
    tell('settling the books')
    await proveRun({ rig, network, results: [...healthy, ...results], tokens: null })
    const texts = await proveTexts(rig.tinyPath(), results, TOKENS)
    return judge({ healthy, results, kills, seconds, texts, missed: stormy.missed() })
  } finally {
    await rig.dispose()
  }
}

interface Found {
  readonly healthy: readonly Steady[]
  readonly results: readonly Steady[]
  readonly kills: number
  readonly seconds: number
  readonly texts: Awaited<ReturnType<typeof proveTexts>>
  readonly missed: number
}

function judge({ healthy, results, kills, seconds, texts, missed }: Found): ScenarioResult {
  const well = results.filter(({ error }) => error === null)
  const share = well.length / Math.max(1, results.length)
  const firstTokenMs = (some: readonly Steady[]) => spread(some.flatMap(({ firstTokenMs: ms }) => ms ?? []))
  const continued = results.filter(({ continuations }) => continuations > 0).length
  const figures = {
    agents: AGENTS,
    perSecond: PER_SECOND,
    seconds,
    kills,
    requests: results.length,
    succeeded: well.length,
    continued,
    errors: Object.fromEntries(
      Object.entries(
        Object.groupBy(
          results.filter(({ error }) => error !== null),
          ({ error }) => error ?? '',
        ),
      ).map(([error, some = []]) => [error, some.length]),
    ),
    healthyFirstTokenMs: firstTokenMs(healthy),
    firstTokenMs: firstTokenMs(results),
    texts,
    missed,
  }
  const inexact = well.filter(({ usage }) => usage?.completion_tokens !== TOKENS).length
  return {
    figures,
    checks: [
      {
        what: 'streams that ended well, without the caller trying again',
        found: shareText(well.length, results.length),
        pass: '≥ 99.9 %',
        isPassed: share >= SUCCESS_MIN && missed === 0,
      },
      ...textChecks(texts),
      none('answers with an inexact usage', inexact),
    ],
  }
}

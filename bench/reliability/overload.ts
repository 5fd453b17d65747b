/**
 * Five times the load that there is room for, then half of it: who is refused learns it at once and pays nothing, and when the load is
 * gone nothing of it stays. What is as before is told by a load that leaves half of the room empty: nobody waits
 * in line there.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { startChaosFleet } from '../../test/chaos/chaos-fleet.ts'
import { openRig, startNetwork } from '../../test/e2e/rig.ts'
import { BACK_MS_MAX, judgeOverload, WINDOW_MS } from './judge-overload.ts'
import { proveRun } from './prove-run.ts'
import { type ScenarioOptions, type ScenarioResult, tell } from './scenario.ts'
import { promptAt, type Steady, type SteadyOptions, startSteady, stream } from './steady-load.ts'

const AGENTS = 2
/** Long answers and few slots: a capacity that a client on the same machine can exceed five times. */
const [TOKENS, SLOTS] = [400, 2]
/** Of the room that there is. */
const LOADS = { calm: 0.5, flood: 5 }

export async function overload({ seed, isQuick }: ScenarioOptions): Promise<ScenarioResult> {
  const rig = openRig()
  try {
    const network = await startNetwork(rig, rig.path('data'), ['--no-agent'])
    const argumentsOf = () => ['--slots', String(SLOTS)]
    const fleet = await startChaosFleet({ rig, network, count: AGENTS, seed, argumentsOf })
    const { openaiBaseUrl: baseUrl, apiKey } = network.ready
    const base = { baseUrl, apiKey, model: 'tiny', tokens: TOKENS, seed, perSecond: 1 }
    const { capacity, measured } = await measureCapacity(base, isQuick ? 6_000 : 15_000)
    tell(`room for ${capacity.toFixed(1)} answers a second`)
    const load = startSteady({ ...base, perSecond: LOADS.calm * capacity })
    await sleep(isQuick ? 8_000 : 30_000)
    const floodMs = performance.now()
    load.setRate(LOADS.flood * capacity)
    await sleep(isQuick ? 15_000 : 60_000)
    const dropMs = performance.now()
    load.setRate(LOADS.calm * capacity)
    await sleep(isQuick ? 30_000 : BACK_MS_MAX + 2 * WINDOW_MS)
    const results = await load.stop()
    const all = [...measured, ...results]
    const { usage, checks } = await proveRun({ rig, network, results: all, tokens: TOKENS })
    await fleet.close()
    const found = judgeOverload({ capacity, results, floodMs, dropMs, measured, usage })
    return { figures: { ...found.figures, loads: LOADS }, checks: [...found.checks, ...checks] }
  } finally {
    await rig.dispose()
  }
}

/** Answers a second when as many callers as there are slots ask without a pause; and those answers. */
async function measureCapacity(
  options: SteadyOptions,
  lastsMs: number,
): Promise<{ capacity: number; measured: readonly Steady[] }> {
  const startedMs = performance.now()
  const measured: Steady[] = []
  await Promise.all(
    Array.from({ length: AGENTS * SLOTS }, async (_, caller) => {
      for (let turn = 0; performance.now() < startedMs + lastsMs; turn++)
        measured.push(await stream(options, promptAt(caller * 1_000 + turn)))
    }),
  )
  const answers = measured.filter(({ error }) => error === null).length
  // To the last answer: those that were begun in time end after it.
  return { capacity: answers / ((performance.now() - startedMs) / 1_000), measured }
}

/**
 * Five times the load that there is room for, then half of it: who is refused learns it at once and pays nothing, and when the load is
 * gone nothing of it stays.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { startChaosFleet } from '../../test/chaos/chaos-fleet.ts'
import { proveBooks, settle } from '../../test/e2e/books.ts'
import { openRig, startNetwork } from '../../test/e2e/rig.ts'
import { spread } from '../parts/spread.ts'
import { atMost, none, type ScenarioOptions, type ScenarioResult, tell } from './scenario.ts'
import { promptAt, type Steady, type SteadyOptions, startSteady, stream } from './steady-load.ts'

const AGENTS = 2
/** Long answers and few slots: a capacity that a client on the same machine can exceed five times. */
const [TOKENS, SLOTS] = [400, 2]
const REFUSED_MS_MAX = 50
const BACK_MS_MAX = 60_000
const WINDOW_MS = 5_000

export async function overload({ seed, isQuick }: ScenarioOptions): Promise<ScenarioResult> {
  const rig = openRig()
  try {
    const network = await startNetwork(rig, rig.path('data'), ['--no-agent'])
    const argumentsOf = () => ['--slots', String(SLOTS)]
    const fleet = await startChaosFleet({ rig, network, count: AGENTS, seed, argumentsOf })
    const { openaiBaseUrl: baseUrl, apiKey } = network.ready
    const base = { baseUrl, apiKey, model: 'tiny', tokens: TOKENS, seed, perSecond: 1 }
    const capacity = await measureCapacity(base, isQuick ? 6_000 : 15_000)
    tell(`room for ${capacity.toFixed(1)} answers a second`)
    const load = startSteady({ ...base, perSecond: 0.8 * capacity })
    await sleep(isQuick ? 8_000 : 30_000)
    const floodMs = performance.now()
    load.setRate(5 * capacity)
    await sleep(isQuick ? 15_000 : 60_000)
    load.setRate(0.8 * capacity)
    const dropMs = performance.now()
    await sleep(isQuick ? 30_000 : BACK_MS_MAX + 2 * WINDOW_MS)
    const results = await load.stop()
    await fleet.close()
    const well = results.filter(({ error }) => error === null)
    const usage = await settle(network, well.length)
    await proveBooks(network.operator, usage)
    return judge({ capacity, results, floodMs, dropMs, billed: usage.filter(({ cost }) => cost > 0n).length })
  } finally {
    await rig.dispose()
  }
}

/** Answers a second when as many callers as there are slots ask without a pause. */
async function measureCapacity(options: SteadyOptions, lastsMs: number): Promise<number> {
  const untilMs = performance.now() + lastsMs
  let answers = 0
  await Promise.all(
    Array.from({ length: AGENTS * SLOTS }, async (_, caller) => {
      for (let turn = 0; performance.now() < untilMs; turn++) {
        const { error } = await stream(options, promptAt(caller * 1_000 + turn))
        if (error === null) answers++
      }
    }),
  )
  return answers / (lastsMs / 1_000)
}

interface Found {
  readonly capacity: number
  readonly results: readonly Steady[]
  readonly floodMs: number
  readonly dropMs: number
  /** Beyond those of the measurement of capacity. */
  readonly billed: number
}

const firstTokens = (some: readonly Steady[]) =>
  spread(some.flatMap(({ firstTokenMs }) => firstTokenMs ?? []))

function judge({ capacity, results, floodMs, dropMs, billed }: Found): ScenarioResult {
  const before = results.filter(({ startedMs }) => startedMs < floodMs)
  const flood = results.filter(({ startedMs }) => startedMs >= floodMs && startedMs < dropMs)
  const later = results.filter(({ startedMs }) => startedMs >= dropMs)
  const refused = flood.filter(({ error }) => error !== null && /^(429|503)/.test(error))
  const strange = results.filter(({ error }) => error !== null && !/^(429|503)/.test(error))
  const atOnce = refused.filter(({ totalMs }) => totalMs < 1_000)
  const normal = firstTokens(before).p99
  let backMs = Number.POSITIVE_INFINITY
  for (let at = 0; at < BACK_MS_MAX + WINDOW_MS && backMs === Number.POSITIVE_INFINITY; at += 1_000) {
    const window = later.filter(
      ({ startedMs }) => startedMs >= dropMs + at && startedMs < dropMs + at + WINDOW_MS,
    )
    const isWell = window.length > 0 && window.every(({ error }) => error === null)
    if (isWell && firstTokens(window).p99 <= Math.max(2 * normal, 1_000)) backMs = at
  }
  return {
    figures: {
      perSecond: { capacity, before: 0.8 * capacity, flood: 5 * capacity },
      requests: { before: before.length, flood: flood.length, later: later.length },
      floodAnswered: flood.filter(({ error }) => error === null).length,
      refused: refused.length,
      refusedAfterWaiting: refused.length - atOnce.length,
      refusedMs: spread(atOnce.map(({ totalMs }) => totalMs)),
      firstTokenMs: { before: firstTokens(before), flood: firstTokens(flood), later: firstTokens(later) },
      backMs,
      billed,
    },
    checks: [
      {
        what: 'refusals in the flood',
        found: String(refused.length),
        pass: 'some',
        isPassed: refused.length > 0,
      },
      none('calls that ended otherwise than by an answer, 429 or 503', strange.length),
      atMost(
        'a refusal takes, 99 of 100',
        spread(atOnce.map(({ totalMs }) => totalMs)).p99,
        REFUSED_MS_MAX,
        'ms',
      ),
      none('refused calls that were answered or billed', refused.filter(({ cost }) => cost !== null).length),
      atMost('until first tokens are as before, after the flood', backMs / 1_000, BACK_MS_MAX / 1_000, 's'),
    ],
  }
}

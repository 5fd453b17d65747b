/** 0.8 of what the nodes can do, then five times as much as they can for a minute, then 0.8 again. */
import { createRandom, forkRandom } from '#kernel/random.ts'
import { MINUTE_MS, SECOND_MS } from '#kernel/time.ts'
import { quantile } from '../crowd-run.ts'
import { MODELS } from '../sim-world.ts'
import { openRig } from './rig.ts'
import { type Scenario, shareFigures } from './scenario.ts'
import { finishStreams, firstTokensOf, hasSucceeded, type StreamCall, startStreams } from './stream-load.ts'

const NODES = 12
const SLOTS = 4
const MS_PER_TOKEN = 30
const TOKENS = 60
const PREFILL_MS = 300
const CAPACITY = (NODES * SLOTS * SECOND_MS) / (PREFILL_MS + TOKENS * MS_PER_TOKEN)
const ORDINARY = 0.8
const OVERLOAD = 5
const BEFORE_MS = { full: 4 * MINUTE_MS, quick: 2 * MINUTE_MS }
const OVERLOAD_MS = MINUTE_MS
const WINDOW_MS = 10 * SECOND_MS
const BACK_WITHIN_MS = MINUTE_MS
const REFUSED_WITHIN_MS = 50

export const overload: Scenario = async ({ seed, isQuick }) => {
  const random = createRandom(seed)
  const beforeMs = isQuick ? BEFORE_MS.quick : BEFORE_MS.full
  const endMs = beforeMs + OVERLOAD_MS
  const rig = await openRig(forkRandom(random), {
    plan: { nodes: NODES, gateways: 1, clients: 20, latencyMsMax: 10 },
    world: {
      // A node whose device is ill gets no work: with two of them out, 0.8 of what all can do is nearly all that is left.
      agentOf: () => ({
        models: [MODELS[0]],
        slots: SLOTS,
        msPerToken: MS_PER_TOKEN,
        prefillMs: PREFILL_MS,
        staysWell: true,
      }),
    },
  })
  const load = startStreams(
    rig,
    {
      rateAt: (atMs) => (atMs >= beforeMs && atMs < endMs ? OVERLOAD : ORDINARY) * CAPACITY,
      durationMs: endMs + beforeMs,
      answer: { median: TOKENS, sigma: 0, max: TOKENS },
      prompt: { median: 40, sigma: 0, max: 40 },
    },
    forkRandom(random),
  )
  await finishStreams(rig, load)
  await rig.rest()
  const between = (fromMs: number, toMs: number): StreamCall[] =>
    load.calls.filter(({ sentMs }) => sentMs >= fromMs && sentMs < toMs)
  const p99 = (calls: readonly StreamCall[]): number => Math.round(quantile(firstTokensOf(calls), 0.99))
  const [before, after] = [
    between(MINUTE_MS / 2, beforeMs),
    between(endMs + BACK_WITHIN_MS, Number.POSITIVE_INFINITY),
  ]
  const refused = load.calls.filter(({ kind }) => kind === 'refused')
  /** Those that were let in, waited for their turn and were told in the end that it does not come. */
  const atOnce = refused.filter(({ totalMs }) => totalMs <= REFUSED_WITHIN_MS)
  const worstBeforeMs = Math.max(...windowsOf(load.calls, MINUTE_MS / 2, beforeMs).map(p99))
  const backMs = backAfterMs(load.calls, { endMs, limitMs: 1.5 * worstBeforeMs })
  return {
    figures: {
      capacityPerSecond: Math.round(CAPACITY * 10) / 10,
      requests: load.calls.length,
      p99MsBefore: p99(before),
      p99MsBeforeWorstTenSeconds: worstBeforeMs,
      p99MsDuring: p99(between(beforeMs, endMs)),
      p99MsFrom60sAfter: p99(after),
      backToNormalAfterMs: backMs,
      refused: refused.length,
      ...shareFigures('refusedWithin50Ms', atOnce.length, refused.length),
      refusedMsP50: Math.round(
        quantile(
          refused.map(({ totalMs }) => totalMs),
          0.5,
        ),
      ),
      refusedMsMax: Math.round(Math.max(0, ...refused.map(({ totalMs }) => totalMs))),
      servedDuring: between(beforeMs, endMs).filter(hasSucceeded).length,
      servedDuringShareOfCapacity:
        Math.round(
          (100 * between(beforeMs, endMs).filter(hasSucceeded).length) /
            (CAPACITY * (OVERLOAD_MS / SECOND_MS)),
        ) / 100,
      brokenOff: load.calls.filter(({ kind }) => kind === 'broken' || kind === 'cut').length,
      refusedAfter: after.filter((call) => !hasSucceeded(call)).length,
    },
    promises: {
      normalWithin60s: backMs <= BACK_WITHIN_MS,
      refusalsAreFast: atOnce.length / Math.max(1, refused.length) >= 0.99,
      nothingBreaksOff: load.calls.every(({ kind }) => kind === 'completed' || kind === 'refused'),
      servesOnMeanwhile:
        between(beforeMs, endMs).filter(hasSucceeded).length >= 0.7 * CAPACITY * (OVERLOAD_MS / SECOND_MS),
    },
  }
}

/** Calls by windows of ten seconds. */
function windowsOf(calls: readonly StreamCall[], fromMs: number, toMs: number): StreamCall[][] {
  const count = Math.floor((toMs - fromMs) / WINDOW_MS)
  return Array.from({ length: count }, (_, index) => {
    const beginMs = fromMs + index * WINDOW_MS
    return calls.filter(({ sentMs }) => sentMs >= beginMs && sentMs < beginMs + WINDOW_MS)
  })
}

/** After the end of the overload, until from when on no window is worse than `limitMs`, and nobody is refused. */
function backAfterMs(
  calls: readonly StreamCall[],
  { endMs, limitMs }: { endMs: number; limitMs: number },
): number {
  const lastMs = Math.max(...calls.map(({ sentMs }) => sentMs))
  const lastBad = windowsOf(calls, endMs, lastMs).findLastIndex(
    (window) => quantile(firstTokensOf(window), 0.99) > limitMs || window.some((call) => !hasSucceeded(call)),
  )
  return (lastBad + 1) * WINDOW_MS
}

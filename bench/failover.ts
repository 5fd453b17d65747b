/**
 * Greedy streams through agents that are killed, stopped and cut off all the while: whether each ends, says what the
 * engine says alone and is billed exactly, and how long its caller waits when another node goes on. A text that
 * differs is explained by the logit gap of the two likeliest tokens where it parts, or the run fails.
 *
 *     node bench/failover.ts [--json] [--streams 1000] [--parallel 32] [--tokens 256] [--agents 4] [--pause-ms 300]
 *         [--kinds agent,engine,stop,stop-engine,half-open] [--model FILE.gguf]
 */
import assert from 'node:assert/strict'
import { parseArgs } from 'node:util'
import { proveBooks, settle } from '../test/e2e/books.ts'
import { proveBilling } from '../test/e2e/crowd-proofs.ts'
import {
  type LossKind,
  lossKinds,
  runThroughLosses,
  type ServedModel,
  startFleet,
} from '../test/e2e/failover-load.ts'
import type { FailoverStream, Loss } from '../test/e2e/failover-stream.ts'
import { openRig, type Rig, startNetwork } from '../test/e2e/rig.ts'
import { type Explanation, openAnswersAlone } from './parts/answers-alone.ts'
import { print, whole } from './parts/machine.ts'
import { type Spread, spread } from './parts/spread.ts'

interface Options {
  readonly streams: number
  readonly parallel: number
  readonly tokens: number
  readonly agents: number
  readonly pauseMs: number
  readonly kinds: readonly LossKind[]
  /** Absent: a tiny one with random weights. */
  readonly modelPath?: string | undefined
}

/** What a caller may wait while another node goes on, 95 times of 100. */
const gapMsMax: Readonly<Record<LossKind, number>> = {
  agent: 1_000,
  engine: 1_000,
  stop: 3_000,
  'stop-engine': 3_000,
  'half-open': 3_000,
}
const SAME_SHARE_MIN = 0.99

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      streams: { type: 'string', default: '1000' },
      parallel: { type: 'string', default: '32' },
      tokens: { type: 'string', default: '256' },
      agents: { type: 'string', default: '4' },
      'pause-ms': { type: 'string', default: '300' },
      kinds: { type: 'string', default: lossKinds.join() },
      model: { type: 'string' },
    },
  })
  const result = await measure({
    streams: Number(values.streams),
    parallel: Number(values.parallel),
    tokens: Number(values.tokens),
    agents: Number(values.agents),
    pauseMs: Number(values['pause-ms']),
    kinds: values.kinds.split(',').map(toKind),
    modelPath: values.model,
  })
  print(values.json, result, () => describe(result))
  const failure = failureOf(result)
  if (failure) {
    console.error(failure)
    process.exitCode = 1
  }
}

function toKind(word: string): LossKind {
  const kind = lossKinds.find((known) => known === word)
  if (!kind) throw new Error(`There is no loss '${word}', only ${lossKinds.join(', ')}.`)
  return kind
}

interface Difference extends Explanation {
  readonly prompt: string
  readonly continuations: number
}

interface Result {
  readonly streams: number
  readonly finished: number
  readonly same: number
  readonly differences: readonly Difference[]
  readonly usageExact: number
  readonly continued: number
  readonly continuations: number
  readonly seconds: number
  readonly losses: Readonly<Record<string, number>>
  readonly gaps: readonly { readonly kind: string; readonly ms: Spread }[]
  readonly errors: readonly string[]
}

async function measure(options: Options): Promise<Result> {
  const rig = openRig()
  try {
    const model = { path: options.modelPath ?? rig.tinyPath(), id: 'bench' }
    const { results, losses, seconds } = await runStreams(rig, model, options)
    const alone = await openAnswersAlone(model.path)
    const texts = await alone.readAll(
      results.map(({ prompt }) => prompt),
      options.tokens,
    )
    const finished = results.filter(({ error }) => error === null)
    const differing = finished.filter(({ prompt, text }) => text !== texts.get(prompt))
    const differences: Difference[] = []
    for (const { prompt, text, continuations } of differing) {
      const other = { prompt, text: texts.get(prompt) ?? '', tokens: options.tokens }
      const [through, undisturbed] = [await alone.explain({ ...other, text }), await alone.explain(other)]
      // One of the two may be what the engine says with nothing else in its batches: then the other is the odd one.
      const { flips } = through.flips.length > 0 ? through : undisturbed
      const isExplained = through.isExplained && undisturbed.isExplained
      differences.push({ prompt, continuations, flips, isExplained })
    }
    await alone.close()
    const continued = results.filter(({ continuations }) => continuations > 0)
    return {
      streams: results.length,
      finished: finished.length,
      same: finished.length - differing.length,
      differences,
      usageExact: finished.filter(({ usage }) => usage?.completion_tokens === options.tokens).length,
      continued: continued.length,
      continuations: continued.reduce((sum, { continuations }) => sum + continuations, 0),
      seconds,
      losses: countKinds(losses),
      gaps: gapsByKind(results),
      errors: [...new Set(results.flatMap(({ error }) => (error === null ? [] : [String(error)])))],
    }
  } finally {
    await rig.dispose()
  }
}

/** That each is billed once, as its caller was told, and that the books balance, is asserted. */
async function runStreams(rig: Rig, model: ServedModel, options: Options) {
  const network = await startNetwork(rig, rig.path('data'), ['--no-agent'])
  const fleet = await startFleet({ rig, network }, { count: options.agents, model })
  const startedMs = performance.now()
  const { results, losses } = await runThroughLosses(fleet, {
    ...options,
    onStream: (finished) => void process.stderr.write(`\r${finished} of ${options.streams}  `),
  })
  const seconds = (performance.now() - startedMs) / 1_000
  process.stderr.write('\n')
  await fleet.close()
  const usage = await settle(network, results.length)
  proveBilling(results, usage)
  assert.equal(usage.length, results.length, 'one line for each stream')
  await proveBooks(network.operator, usage)
  return { results, losses, seconds }
}

function countKinds(losses: readonly Loss[]): Record<string, number> {
  return Object.fromEntries(
    lossKinds.map((kind) => [kind, losses.filter((loss) => loss.kind === kind).length]),
  )
}

function gapsByKind(results: readonly FailoverStream[]): Result['gaps'] {
  const gaps = results.flatMap((stream) => stream.gaps)
  return [...lossKinds, null].flatMap((kind) => {
    const own = gaps.filter((gap) => gap.kind === kind).map(({ ms }) => ms)
    return own.length === 0 ? [] : [{ kind: kind ?? 'without a loss', ms: spread(own) }]
  })
}

/** The first promise that was not kept. */
function failureOf(result: Result): string | null {
  const { streams, finished, same, usageExact, differences, gaps } = result
  if (finished < streams) return `${streams - finished} streams did not finish: ${result.errors.join('; ')}`
  if (usageExact < streams) return `${streams - usageExact} streams were told a wrong usage`
  const strange = differences.filter(({ isExplained }) => !isExplained)
  if (strange.length > 0) return `${strange.length} texts differ, and no near tie explains it`
  if (same < SAME_SHARE_MIN * finished)
    return `only ${same} of ${finished} texts are those of the engine alone`
  const slow = gaps.find(({ kind, ms }) => ms.p95 > (gapMsMax[kind as LossKind] ?? Number.POSITIVE_INFINITY))
  return slow ? `after '${slow.kind}' callers waited ${whole(slow.ms.p95)} ms (p95)` : null
}

function describe(result: Result): string[] {
  const { streams, finished, same, usageExact, continued, continuations, losses, differences } = result
  const lost = Object.entries(losses).map(([kind, count]) => `${kind} ${count}`)
  return [
    `${finished} of ${streams} streams finished in ${whole(result.seconds)} s; ${usageExact} were told their exact usage, and all are billed so, once`,
    `${same} of ${finished} texts are byte for byte those of the engine alone (${((100 * same) / Math.max(1, finished)).toFixed(1)} %)`,
    `nodes lost: ${lost.join(', ')}; ${continued} streams went on elsewhere, ${continuations} times in all`,
    ...result.gaps.map(
      ({ kind, ms }) =>
        `  ${kind.padEnd(14)} ${String(ms.count).padStart(5)} ×  gap p50 ${whole(ms.p50)} ms, p95 ${whole(ms.p95)} ms, at most ${whole(ms.max)} ms`,
    ),
    ...differences.map(describeDifference),
  ]
}

function describeDifference({ prompt, continuations, flips, isExplained }: Difference): string {
  const places = flips.map(({ position, gap }) => `token ${position}, logit gap ${gap.toExponential(1)}`)
  const rest = isExplained ? 'behind it all is as the engine says it' : 'and the rest is NOT explained'
  return `  differs: "${prompt}" (${continuations} continuations): ${places.join('; ') || 'nowhere a near tie'}; ${rest}`
}

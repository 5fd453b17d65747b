/** Two ways to the same answers, measured in turns, so that what drifts on a machine drifts for both. */
import { busyMicros, cpuMicrosOf } from '../gateway/cores.ts'

/** One load, however it got to the engine. */
export interface Batch {
  readonly seconds: number
  readonly tokens: number
  /** Of each stream, in the order in which they were asked for. */
  readonly texts: readonly string[]
  /** Deltas, or events with text, of all streams together. */
  readonly pieces: number
}

export interface Load {
  /** One for each stream, all at once. */
  readonly prompts: readonly string[]
  /** Of each answer. */
  readonly tokens: number
}

export interface Way {
  run(load: Load): Promise<Batch>
}

/** The same load in both ways, one soon after the other. */
export interface Pair {
  readonly direct: Batch
  readonly network: Batch
  /** Of one core: the most that others took of the machine during either. */
  readonly foreignPercent: number
}

export interface PairsOptions {
  readonly direct: Way
  readonly network: Way
  /** Of a pair: both get the same. */
  readonly loadOf: (pair: number) => Load
  readonly count: number
  /** Pairs that others disturbed more are measured again, as long as `more` of them may be. */
  readonly foreignPercentMax: number
  readonly more: number
}

/** Which way goes first changes from pair to pair. */
export async function measurePairs(options: PairsOptions): Promise<{ pairs: Pair[]; disturbed: Pair[] }> {
  const { direct, network, loadOf, count, foreignPercentMax, more } = options
  const pairs: Pair[] = []
  const disturbed: Pair[] = []
  for (let turn = 0; pairs.length < count && turn < count + more; turn++) {
    const load = loadOf(turn)
    const isDirectFirst = turn % 2 === 0
    const first = await watched(() => (isDirectFirst ? direct : network).run(load))
    const second = await watched(() => (isDirectFirst ? network : direct).run(load))
    const pair = {
      direct: (isDirectFirst ? first : second).batch,
      network: (isDirectFirst ? second : first).batch,
      foreignPercent: Math.max(first.foreignPercent, second.foreignPercent),
    }
    if (pair.foreignPercent <= foreignPercentMax) pairs.push(pair)
    else disturbed.push(pair)
  }
  return { pairs, disturbed }
}

async function watched(run: () => Promise<Batch>): Promise<{ batch: Batch; foreignPercent: number }> {
  const before = { busy: busyMicros(), own: cpuMicrosOf(process.pid), atMs: performance.now() }
  const batch = await run()
  const after = { busy: busyMicros(), own: cpuMicrosOf(process.pid), atMs: performance.now() }
  const foreign = after.busy - before.busy - (after.own - before.own)
  const micros = (after.atMs - before.atMs) * 1_000
  return { batch, foreignPercent: Math.max(0, (foreign / micros) * 100) }
}

export interface Summary {
  readonly pairs: number
  /** Medians, tokens a second of all streams together. */
  readonly directPerSecond: number
  readonly networkPerSecond: number
  /** Of each pair, network to direct: the middle one and the extremes. */
  readonly ratio: number
  readonly ratioMin: number
  readonly ratioMax: number
  /** Of every pair, in order. */
  readonly ratios: readonly number[]
  /** Median of what a token took longer, microseconds of a stream's own time. */
  readonly addedMicrosPerToken: number
}

export function summarise(pairs: readonly Pair[]): Summary {
  const speed = ({ tokens, seconds }: Batch): number => tokens / seconds
  const ratios = pairs.map(({ direct, network }) => speed(network) / speed(direct))
  return {
    pairs: pairs.length,
    directPerSecond: median(pairs.map(({ direct }) => speed(direct))),
    networkPerSecond: median(pairs.map(({ network }) => speed(network))),
    ratio: median(ratios),
    ratioMin: Math.min(...ratios),
    ratioMax: Math.max(...ratios),
    ratios,
    addedMicrosPerToken: median(
      pairs.map(({ direct, network }) => 1e6 * (1 / speed(network) - 1 / speed(direct))),
    ),
  }
}

/** Of an even number, the mean of the two in the middle; of none, not a number. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const half = sorted.length / 2
  const [low = Number.NaN, high = Number.NaN] = [sorted[Math.ceil(half) - 1], sorted[Math.floor(half)]]
  return (low + high) / 2
}

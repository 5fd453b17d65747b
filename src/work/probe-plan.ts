/**
 * Which tasks of a step are run small, and how small. A step's tasks fall into series that differ in their frames alone; of
 * each series the first, the last and the middle frame are probed, in rounds: a 64th of the work to see how long it
 * takes, then as much as fits the time that a probe may take, a fourth at most, so that nobody renders at the network's
 * expense. Where those frames differ, the two between them are probed too. Probes say by wall time alone what they took, so that nothing else has to be believed of a node.
 */
import { toCanonical } from '#kernel/canonical.ts'
import type { TaskParams } from '#protocol/task.ts'
import { fitCost, type Probe } from './estimate.ts'

/** Tasks of a step that differ in their frames alone. */
export interface Series {
  readonly does: 'frame' | 'range'
  /** What its tasks have in common. */
  readonly params: TaskParams
  /** Frames to probe: first, last, middle; fewer where there are fewer. */
  readonly ats: readonly number[]
  /** Frames to probe where those differ: half way between them. */
  readonly between: readonly number[]
  /** Samples of the largest range, of which shares are counted; 0 for frames. */
  readonly samplesMax: number
}

/** Where a task stands among those of its series, and what of the series' largest it computes. */
export interface SeriesPlace {
  readonly key: string
  readonly at: number
  readonly share: number
}

export interface ProbeTask {
  readonly params: TaskParams
  readonly at: number
  readonly share: number
  /** A guess, for the job that runs it. */
  readonly referenceMs: number
}

export const SERIES_MAX = 4

/** How long one probe may take a node of speed 1, about. */
const PROBE_MS = 4_000
const FIRST_SHARE = 1 / 64
const SHARE_MAX = 1 / 4
/** Of this much and of less, what does not grow is told from what does. */
const ENOUGH_SHARE = 1 / 16
const FIRST_GUESS_MS = 1_000
const ROUNDS_MAX = 3
const DIFFERENT = 1.25

/** `null` for a task that is not probed: a merge, an inspection, another kind. */
export function placeInSeries(kind: string, params: TaskParams): (SeriesPlace & { series: Series }) | null {
  const { do: does, frame, ...more } = params
  if (kind !== 'blender' || typeof frame !== 'number') return null
  if (does === 'frame') {
    const { seed: _, ...common } = more
    const series: Series = { does, params: { do: does, ...common }, ats: [frame], between: [], samplesMax: 0 }
    return { key: keyOf(series.params), at: frame, share: 1, series }
  }
  const { samples, sampleOffset: _, seed: __, ...common } = more
  if (does !== 'range' || typeof samples !== 'number') return null
  const series: Series = {
    does,
    params: { do: does, ...common },
    ats: [frame],
    between: [],
    samplesMax: samples,
  }
  return { key: keyOf(series.params), at: frame, share: samples, series }
}

/** Most frames have nothing of their own, and jobs have up to 100,000 of them. */
const keyOf = (params: TaskParams): string =>
  Object.keys(params).length === 1 ? String(params['do']) : toCanonical(params)

/** The series of a step, by their keys; shares of ranges are yet to be divided by `samplesMax`. */
export function seriesOf(step: {
  readonly kind: string
  readonly tasks: readonly TaskParams[]
}): ReadonlyMap<string, Series> {
  const found = new Map<string, { series: Series; frames: Set<number>; samplesMax: number }>()
  for (const params of step.tasks) {
    const place = placeInSeries(step.kind, params)
    if (!place) continue
    const one = found.get(place.key) ?? { series: place.series, frames: new Set(), samplesMax: 0 }
    one.frames.add(place.at)
    one.samplesMax = Math.max(one.samplesMax, place.series.samplesMax)
    found.set(place.key, one)
  }
  return new Map(
    [...found].map(([key, { series, frames, samplesMax }]) => {
      const sorted = [...frames].toSorted((a, b) => a - b)
      const last = sorted.length - 1
      const framesAt = (...places: number[]): number[] => [
        ...new Set(places.map((place) => sorted[place] ?? 0)),
      ]
      const ats = framesAt(0, last, last >> 1)
      const between = framesAt(last >> 2, (3 * last) >> 2).filter((frame) => !ats.includes(frame))
      return [key, { ...series, ats, between, samplesMax }]
    }),
  )
}

/** What to run next of a series, given what was; none where enough is known. */
export function nextRound(series: Series, probes: readonly Probe[]): readonly ProbeTask[] {
  if (probes.length === 0) return runAll(series, series.ats, { share: FIRST_SHARE, guessMs: FIRST_GUESS_MS })
  const shares = [...new Set(probes.map(({ share }) => share))].toSorted((a, b) => a - b)
  const share = shares.at(-1) ?? FIRST_SHARE
  const guessMs = Math.max(...probes.filter((probe) => probe.share === share).map((one) => one.referenceMs))
  const more = moreShares(shares, probes)
  if (more.length > 0) {
    const seen = new Set<string>()
    return more
      .flatMap((one) => runAll(series, series.ats, { share: one, guessMs: (guessMs * one) / share }))
      .filter(({ params }) => seen.size < seen.add(toCanonical(params)).size)
  }
  const isDone = series.between.every((frame) => probes.some(({ at }) => at === frame))
  return isDone || !doesVary(probes) ? [] : runAll(series, series.between, { share, guessMs })
}

/** How much of each frame to run next; nothing where enough was run. `shares`: those that were, the least first. */
function moreShares(shares: readonly number[], probes: readonly Probe[]): readonly number[] {
  const largest = shares.at(-1) ?? FIRST_SHARE
  const isOne = shares.length === 1
  if (largest >= SHARE_MAX || shares.length >= ROUNDS_MAX) return []
  if (!isOne && largest >= ENOUGH_SHARE) return []
  const share = Math.min(SHARE_MAX, powerBelow(isOne ? affordable(largest, probes) : affordableBy(probes)))
  // Too slow for more of it: what does not grow shows in less of it.
  if (share <= largest) return isOne ? [FIRST_SHARE / 16] : []
  const isWarm = probes.some(({ isCold }) => !isCold)
  return isWarm || share <= 2 * largest ? [share] : [share, 2 * largest]
}

/** What takes as long as a probe may, as if all of it grew: it takes no longer than that. */
function affordable(share: number, probes: readonly Probe[]): number {
  const slowestMs = Math.max(1, ...probes.map(({ referenceMs }) => referenceMs))
  return (share * PROBE_MS) / slowestMs
}

/** The same, once it is known what grows: where much does not, a probe has to be as long again as that to tell what does. */
function affordableBy(probes: readonly Probe[]): number {
  const shares = fitCost(probes).costs.map(({ fixedMs, growingMs }) => {
    const forGrowthMs = Math.max(PROBE_MS - fixedMs, fixedMs)
    return forGrowthMs / Math.max(1, growingMs)
  })
  return Math.min(...shares)
}

/** Whether the frames that were probed differ by so much that those between them may be anything. */
function doesVary(probes: readonly Probe[]): boolean {
  const times = fitCost(probes).costs.map(({ fixedMs, growingMs }) => fixedMs + growingMs)
  return Math.max(...times) > DIFFERENT * Math.min(...times)
}

/** The same shares again and again are the same tasks, which need not be run twice. */
const powerBelow = (share: number): number => 2 ** Math.floor(Math.log2(share) + 1e-9)

const runAll = (
  series: Series,
  ats: readonly number[],
  { share, guessMs }: { share: number; guessMs: number },
): ProbeTask[] =>
  ats.map((at) => ({
    ...runSmall(series, { at, share }),
    at,
    referenceMs: Math.max(1, Math.round(guessMs)),
  }))

/** A frame has fewer pixels, and all of its samples: they are what adaptive sampling goes by. A range has fewer samples. */
function runSmall(
  { does, params, samplesMax }: Series,
  { at, share }: { at: number; share: number },
): { params: TaskParams; share: number } {
  if (does === 'frame') {
    const { scale: own } = params
    const times = (typeof own === 'number' ? own : 1) * Math.sqrt(share)
    return { params: { ...params, frame: at, scale: Math.round(1e6 * times) / 1e6 }, share }
  }
  const samples = Math.max(1, Math.round(samplesMax * share))
  return { params: { ...params, frame: at, samples, sampleOffset: 0 }, share: samples / samplesMax }
}

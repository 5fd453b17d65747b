/**
 * What tasks of a step will take, from a few of them that were run small. A task of a sequence takes
 *
 *     fixed + growing × share        (share: the part of its pixels × samples that it computes, 1 for the task itself)
 *
 * on a node of speed 1: `fixed` is what comes anew with each frame whatever its size (the scene brought up to date, what is
 * built of it), `growing` what follows the rays. Measured over scenes that cost in different places, times of frames at
 * 1/256 to all of their pixels lie on that line within a few percent; the first frame that a process renders does not, as
 * it builds what later ones find (`isCold`). Between the places that were probed, both parts are interpolated.
 */
import { assert } from '#kernel/assert.ts'

/** A task that was run small. */
export interface Probe {
  /** Where it stands in its sequence: its frame. */
  readonly at: number
  /** More than 0. */
  readonly share: number
  readonly referenceMs: number
  /** Its node had not worked on these inputs before. */
  readonly isCold: boolean
}

/** What a task at one place takes. */
export interface PlaceCost {
  readonly at: number
  readonly fixedMs: number
  readonly growingMs: number
}

export interface CostModel {
  /** By place, at least one. */
  readonly costs: readonly PlaceCost[]
  /** What the first task of a node takes more. */
  readonly coldMs: number
  /** Relative standard error that all tasks have in common, and that of each alone. */
  readonly commonError: number
  readonly ownError: number
}

/** Low, middle and high: one case in ten is below the first, one in ten above the last. */
export interface Range {
  readonly p10: number
  readonly p50: number
  readonly p90: number
}

/** Of a normal distribution, in standard deviations. */
const P90_DEVIATIONS = 1.2816
/** Left where a quarter of each probed task was computed, and more for each time that it was a quarter of that. */
const COMMON_ERROR = 0.08
const COMMON_ERROR_MORE = 0.04
/** Of two runs of the same task. */
const OWN_ERROR = 0.1

/** `probes`: at least one. */
export function fitCost(probes: readonly Probe[]): CostModel {
  const places = [...new Set(probes.map(({ at }) => at))].toSorted((a, b) => a - b)
  const groups = places.map((at) => ({ at, of: probes.filter((probe) => probe.at === at) }))
  const whole = groups.flatMap(({ at, of }) => {
    const warm = of.filter(({ isCold }) => !isCold)
    return isLine(warm) ? [fitLine(at, warm)] : []
  })
  const coldMs = coldOf(probes, whole)
  const costs = groups.map(({ at, of }) => {
    const fitted = whole.find((cost) => cost.at === at)
    return fitted ?? borrow(at, of, { whole, coldMs })
  })
  const shareMax = Math.max(...probes.map(({ share }) => share))
  const steps = Math.max(0, Math.log(0.25 / shareMax) / Math.log(4))
  return {
    costs,
    coldMs,
    commonError: COMMON_ERROR + COMMON_ERROR_MORE * steps,
    ownError: Math.hypot(OWN_ERROR, bendOf(costs)),
  }
}

const isLine = (probes: readonly Probe[]): boolean => new Set(probes.map(({ share }) => share)).size > 1

/** The line of least relative errors, with neither part below zero. */
function fitLine(at: number, probes: readonly Probe[]): PlaceCost {
  let [ones, shares, squares, times, products] = [0, 0, 0, 0, 0]
  for (const { share, referenceMs } of probes) {
    const weight = 1 / Math.max(1, referenceMs) ** 2
    ones += weight
    shares += weight * share
    squares += weight * share * share
    times += weight * referenceMs
    products += weight * share * referenceMs
  }
  const growingMs = (ones * products - shares * times) / (ones * squares - shares * shares)
  const fixedMs = (times - growingMs * shares) / ones
  if (growingMs < 0) return { at, fixedMs: times / ones, growingMs: 0 }
  if (fixedMs < 0) return { at, fixedMs: 0, growingMs: products / squares }
  return { at, fixedMs, growingMs }
}

/** What the first tasks of nodes took more than others of the same place: the middle one, 0 where nothing shows it. */
function coldOf(probes: readonly Probe[], whole: readonly PlaceCost[]): number {
  const mores = probes.flatMap(({ at, share, referenceMs, isCold }) => {
    const cost = isCold ? interpolate(whole, at) : null
    return cost ? [Math.max(0, referenceMs - cost.fixedMs - cost.growingMs * share)] : []
  })
  return mores.toSorted((a, b) => a - b)[mores.length >> 1] ?? 0
}

/** A place without two warm probes: its fixed part is taken from the others, where there are any. */
function borrow(
  at: number,
  probes: readonly Probe[],
  { whole, coldMs }: { whole: readonly PlaceCost[]; coldMs: number },
): PlaceCost {
  const known = interpolate(whole, at)
  if (!known) return isLine(probes) ? fitLine(at, probes) : fromOne(at, probes)
  const warm = probes.map(({ share, referenceMs, isCold }) => ({
    share,
    referenceMs: isCold ? referenceMs - coldMs : referenceMs,
  }))
  // Of what grows, the largest share tells most.
  const largest = warm.reduce((best, one) => (one.share > best.share ? one : best))
  const fixedMs = Math.min(known.fixedMs, Math.max(0, largest.referenceMs))
  return { at, fixedMs, growingMs: Math.max(0, largest.referenceMs - fixedMs) / largest.share }
}

/** One measurement tells nothing of its parts: it is taken for what grows, which is dearer. */
function fromOne(at: number, probes: readonly Probe[]): PlaceCost {
  const [probe] = probes
  assert(probe, 'a place is one because it was probed')
  const times = probes.map(({ referenceMs }) => referenceMs).toSorted((a, b) => a - b)
  return { at, fixedMs: 0, growingMs: (times[times.length >> 1] ?? 0) / probe.share }
}

/** Between the places on either side; outside of them, as at the last. */
function interpolate(costs: readonly PlaceCost[], at: number): PlaceCost | null {
  const after = costs.findIndex((cost) => cost.at >= at)
  const last = costs.at(-1)
  if (!last) return null
  if (after === -1) return { ...last, at }
  const [low, high] = [costs[Math.max(0, after - 1)], costs[after]]
  if (!low || !high || low.at >= high.at || high.at === at) return { ...(high ?? last), at }
  const part = (at - low.at) / (high.at - low.at)
  const between = (a: number, b: number): number => a + (b - a) * part
  return {
    at,
    fixedMs: between(low.fixedMs, high.fixedMs),
    growingMs: between(low.growingMs, high.growingMs),
  }
}

/** How far what lies between two places may be from the line: a fourth of the difference, relative to the mean. */
function bendOf(costs: readonly PlaceCost[]): number {
  const times = costs.map(({ fixedMs, growingMs }) => fixedMs + growingMs)
  const mean = times.reduce((sum, ms) => sum + ms, 0) / times.length
  if (mean === 0) return 0
  const steps = times.slice(1).map((ms, index) => Math.abs(ms - (times[index] ?? ms)))
  return Math.max(0, ...steps) / mean / 4
}

export interface TaskEstimate {
  /** Whole milliseconds, at least 1. */
  readonly referenceMs: number
  readonly referenceMsP90: number
  /** It follows from measurements, so its price is the quote's. */
  readonly isPriceFixed?: boolean
}

/** What the task at `at` takes a node of speed 1 that is warm; `share` of what the model's own tasks compute. */
export function estimateTask(model: CostModel, { at, share }: { at: number; share: number }): TaskEstimate {
  const cost = interpolate(model.costs, at)
  assert(cost, 'a model knows at least one place')
  const ms = Math.max(1, cost.fixedMs + cost.growingMs * share)
  const deviations = P90_DEVIATIONS * Math.hypot(model.commonError, model.ownError)
  const referenceMs = Math.max(1, Math.round(ms))
  return { referenceMs, referenceMsP90: Math.max(referenceMs, Math.ceil(ms * Math.exp(deviations))) }
}

/** Of `count` tasks that take `totalMs` together: what they have in common stays, what each has alone evens out. */
export function rangeOf(
  totalMs: number,
  { commonError, ownError, count }: { commonError: number; ownError: number; count: number },
): Range {
  const deviations = P90_DEVIATIONS * Math.hypot(commonError, ownError / Math.sqrt(Math.max(1, count)))
  return { p10: totalMs * Math.exp(-deviations), p50: totalMs, p90: totalMs * Math.exp(deviations) }
}

/** What a job's tasks come to together: reference time, time on the nodes that there are, price, and what to cap it at. */
import { divideUp, type NanoUsd } from '#kernel/money.ts'
import { type Range, rangeOf, type TaskEstimate } from './estimate.ts'
import { costOf } from './placement.ts'

export interface QuotedStep {
  readonly tasks: readonly TaskEstimate[]
  /** What the first task of each node takes more. */
  readonly coldMs: number
  readonly commonError: number
  readonly ownError: number
  /** Nodes that would take it now. */
  readonly nodes: readonly QuoteNode[]
}

export interface QuoteNode {
  readonly nodeId: string
  readonly speed: number
  /** Until it has the step's inputs. */
  readonly fetchMs: number
}

export interface QuoteTotals {
  readonly referenceSeconds: Range
  /** `null` where a step has no node. */
  readonly wallSeconds: Range | null
  readonly price: { readonly p10: NanoUsd; readonly p50: NanoUsd; readonly p90: NanoUsd }
  readonly cap: NanoUsd
}

/** Beyond the high price: what an estimate of an estimate may be off. */
const CAP_PERCENT = 110n
/** The most by which a task's own cap follows a job whose tasks take longer than was estimated. */
const TASK_MARGIN = 1.25

export function totalsOf(steps: readonly QuotedStep[], pricePerHour: NanoUsd): QuoteTotals {
  const parts = steps.map((step) => ({ step, totalMs: totalMsOf(step) }))
  const totalMs = parts.reduce((sum, part) => sum + part.totalMs, 0)
  const ranges = parts.map(({ step, totalMs: ofStep }) =>
    rangeOf(ofStep, { ...step, count: step.tasks.length }),
  )
  const range = together(totalMs, ranges)
  const costAt = (ms: number): NanoUsd => costOf({ pricePerHour }, Math.ceil(ms))
  const price = { p10: costAt(range.p10), p50: costAt(range.p50), p90: costAt(range.p90) }
  return {
    referenceSeconds: inSeconds(range),
    wallSeconds: wallOf(steps, { totalMs, range }),
    price,
    cap: divideUp(price.p90 * CAP_PERCENT, 100n) + marginOf(steps, costAt),
  }
}

/** With the first tasks of as many nodes as there will be, as far as a task's own cap lets them cost more. */
function totalMsOf({ tasks, coldMs, nodes }: QuotedStep): number {
  const firsts = Math.min(tasks.length, Math.max(1, nodes.length))
  const [first] = tasks
  const spareMs = first ? first.referenceMsP90 - first.referenceMs : 0
  const warmMs = tasks.reduce((sum, { referenceMs }) => sum + referenceMs, 0)
  return warmMs + firsts * Math.min(coldMs, spareMs)
}

/** The steps' errors are their own. */
function together(totalMs: number, ranges: readonly Range[]): Range {
  const below = Math.hypot(...ranges.map(({ p10, p50 }) => p50 - p10))
  const above = Math.hypot(...ranges.map(({ p50, p90 }) => p90 - p50))
  return { p10: Math.max(0, totalMs - below), p50: totalMs, p90: totalMs + above }
}

/** One task per node: the last that each begins must fit, or the job would stop short of its end. */
function marginOf(steps: readonly QuotedStep[], costAt: (ms: number) => NanoUsd): NanoUsd {
  let most = 0n
  for (const { tasks, nodes } of steps) {
    const longestMs = tasks.reduce((longest, { referenceMsP90 }) => Math.max(longest, referenceMsP90), 0)
    const atOnce = BigInt(Math.min(tasks.length, Math.max(1, nodes.length)))
    const margin = atOnce * costAt(longestMs * TASK_MARGIN)
    if (margin > most) most = margin
  }
  return most
}

/** Step after step, each on all of its nodes: tasks alike, begun as soon as a node has its inputs. */
function wallOf(
  steps: readonly QuotedStep[],
  { totalMs, range }: { totalMs: number; range: Range },
): Range | null {
  let wallMs = 0
  for (const step of steps) {
    if (step.nodes.length === 0) return null
    wallMs += wallMsOf(step)
  }
  return inSeconds({
    p10: wallMs * (range.p10 / totalMs),
    p50: wallMs,
    p90: wallMs * (range.p90 / totalMs),
  })
}

/** The least time in which the nodes, each at its speed, come to as many tasks as there are. */
function wallMsOf({ tasks, nodes, coldMs }: QuotedStep): number {
  const meanMs = Math.max(1, tasks.reduce((sum, { referenceMs }) => sum + referenceMs, 0) / tasks.length)
  const doneBy = (ms: number): number =>
    nodes.reduce((sum, { speed, fetchMs }) => {
      const workMs = ms - fetchMs - coldMs / speed
      return sum + Math.max(0, Math.floor((workMs * speed) / meanMs + 1e-9))
    }, 0)
  let low = 0
  let high = Math.min(
    ...nodes.map(({ speed, fetchMs }) => fetchMs + (coldMs + meanMs * tasks.length) / speed),
  )
  for (let halving = 0; halving < 50; halving++) {
    const middle = (low + high) / 2
    if (doneBy(middle) >= tasks.length) high = middle
    else low = middle
  }
  return high
}

const inSeconds = ({ p10, p50, p90 }: Range): Range => ({
  p10: p10 / 1_000,
  p50: p50 / 1_000,
  p90: p90 / 1_000,
})

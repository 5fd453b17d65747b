/**
 * Numbers that a process counts while it works, and shows when it is asked. Counting is an addition to a plain number:
 * whoever counts often keeps the series. What is shown, and how, is decided when somebody looks.
 */
import { assert } from '#kernel/assert.ts'

export interface MetricDefinition {
  /** As Prometheus has it: `shoal_…`, the unit last, `_total` behind a counter. */
  readonly name: string
  readonly kind: 'counter' | 'gauge' | 'histogram'
  /** One sentence: what is counted, in which unit. */
  readonly help: string
  readonly labels: readonly string[]
  /** Upper bounds of a histogram, ascending; what is above the last is counted, too. */
  readonly buckets?: readonly number[]
}

/** A counter, or a gauge. */
export class NumberSeries {
  value = 0

  add(amount = 1): void {
    this.value += amount
  }

  set(value: number): void {
    this.value = value
  }
}

export class HistogramSeries {
  sum = 0
  /** How many observations were at most as large as each bound and larger than the one before; above the last comes last. */
  readonly counts: number[]
  readonly #bounds: readonly number[]

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.counts = new Array<number>(bounds.length + 1).fill(0)
  }

  /** Counts `value`, as if it had been seen `times` times. */
  observe(value: number, times = 1): void {
    const bounds = this.#bounds
    let index = 0
    while (index < bounds.length && value > (bounds[index] ?? 0)) index++
    this.counts[index] = (this.counts[index] ?? 0) + times
    this.sum += value * times
  }

  get count(): number {
    return this.counts.reduce((sum, count) => sum + count, 0)
  }
}

export interface MetricFamily<Series> {
  readonly definition: MetricDefinition
  /** The series of these values of the labels, in their order; made when it is first asked for. */
  of(...values: readonly string[]): Series
  /** Every series with its labels' values. */
  all(): Iterable<readonly [values: readonly string[], series: Series]>
  /** Forgets all series: for gauges that are counted anew at each look. */
  clear(): void
}

/** A family for each member of `table`. */
export type Metrics<Table extends Readonly<Record<string, MetricDefinition>>> = {
  readonly [Name in keyof Table]: MetricFamily<
    Table[Name]['kind'] extends 'histogram' ? HistogramSeries : NumberSeries
  >
}
export type AnyFamily = MetricFamily<HistogramSeries> | MetricFamily<NumberSeries>

export function createMetrics<const Table extends Readonly<Record<string, MetricDefinition>>>(
  table: Table,
): Metrics<Table> {
  const families = Object.entries(table).map(([key, definition]) => [key, createFamily(definition)])
  return Object.fromEntries(families) as Metrics<Table>
}

function createFamily(definition: MetricDefinition): AnyFamily {
  const { kind, buckets = [] } = definition
  return kind === 'histogram'
    ? familyOf(definition, () => new HistogramSeries(buckets))
    : familyOf(definition, () => new NumberSeries())
}

/** Series by the values of their labels, one after the other: a key made of all of them would cost more than to count. */
class Branch<Series> {
  readonly next = new Map<string, Branch<Series>>()
  series: Series | null = null
}

function familyOf<Series>(definition: MetricDefinition, create: () => Series): MetricFamily<Series> {
  const { labels } = definition
  let root = new Branch<Series>()
  let all: (readonly [values: readonly string[], series: Series])[] = []

  function grow(at: Branch<Series>, values: readonly string[]): Series {
    const series = create()
    at.series = series
    all.push([values, series])
    return series
  }

  // What has no labels is shown from the start: its absence would look like a mistake.
  if (labels.length === 0) grow(root, [])
  return {
    definition,
    of(...values) {
      assert(values.length === labels.length, `${definition.name} has ${labels.length} labels`)
      let at = root
      for (const value of values) {
        let branch = at.next.get(value)
        if (!branch) {
          branch = new Branch()
          at.next.set(value, branch)
        }
        at = branch
      }
      return at.series ?? grow(at, values)
    },
    all: () => all,
    clear() {
      if (labels.length === 0) return
      root = new Branch()
      all = []
    },
  }
}

/** The first `countMax` names as they are, and `other` for all that come later: labels must not grow without end. */
export function createNameLimit(countMax: number): (name: string) => string {
  const known = new Set<string>()
  return (name) => {
    if (known.has(name)) return name
    if (known.size >= countMax) return 'other'
    known.add(name)
    return name
  }
}

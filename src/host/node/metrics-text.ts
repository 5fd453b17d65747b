/** Metrics in Prometheus' text format, by `prom-client`, which is loaded when somebody first looks. */
import type { Metric } from 'prom-client'
import type { AnyFamily, HistogramSeries, MetricDefinition, NumberSeries } from '#host/metrics.ts'

export interface MetricsPage {
  readonly contentType: string
  text(): Promise<string>
}

interface Shown {
  readonly metricName?: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/**
 * The `families`, and the runtime's own numbers (`process_…`, `nodejs_…`) from the first look on. `collect` runs before
 * each look, and brings gauges up to date.
 */
export async function openMetricsPage(
  families: readonly AnyFamily[],
  collect: () => void,
): Promise<MetricsPage> {
  const { Registry, collectDefaultMetrics } = await import('prom-client')
  const registry = new Registry()
  for (const family of families) registry.registerMetric(readerOf(family))
  collectDefaultMetrics({ register: registry })
  return {
    contentType: registry.contentType,
    text() {
      collect()
      return registry.metrics()
    },
  }
}

/** What a registry asks of a metric. Its own classes count by label objects at 0.1 to 0.3 µs each; ours are plain numbers. */
function readerOf(family: AnyFamily): Metric {
  const { name, help, kind } = family.definition
  const get = async () => ({ name, help, type: kind, aggregator: 'sum', values: shownOf(family) })
  // The type wants one of the four classes; the registry calls `get` alone.
  return { name, help, get } as unknown as Metric
}

function shownOf(family: AnyFamily): Shown[] {
  const { definition } = family
  return [...family.all()].flatMap(([values, series]) => {
    const labels = Object.fromEntries(definition.labels.map((label, index) => [label, values[index] ?? '']))
    return 'counts' in series ? histogramOf(definition, labels, series) : [shownValue(labels, series)]
  })
}

const shownValue = (labels: Shown['labels'], { value }: NumberSeries): Shown => ({ labels, value })

/** Prometheus counts each bucket with all that are below it. */
function histogramOf(
  { name, buckets = [] }: MetricDefinition,
  labels: Shown['labels'],
  { counts, sum }: HistogramSeries,
): Shown[] {
  let below = 0
  const bars = counts.map((count, index) => {
    below += count
    const le = index < buckets.length ? String(buckets[index]) : '+Inf'
    return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: below }
  })
  return [
    ...bars,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: below },
  ]
}

/** Counts what a gateway tells, for its page of metrics. */
import type { LiveModel } from '#gateway/live-models.ts'
import type { GatewayTelemetry } from '#gateway/telemetry.ts'
import {
  createMetrics,
  createNameLimit,
  type HistogramSeries,
  type Metrics,
  type NumberSeries,
} from '#host/metrics.ts'
import { costOf } from '#ledger/price.ts'
import type { UsageRecord } from '#protocol/usage.ts'
import { gatewayMetrics } from './metric-tables.ts'

/** Models with series of their own; the rest counts as `other`. */
export const MODELS_MAX = 50
/** In place of a class, where no node was found. */
export const NO_CLASS = 'none'

/** What is asked of a gateway when somebody looks. */
export interface GatewayView {
  models(): Map<string, Pick<LiveModel, 'slots'>>
  readonly nodes: { count(): { online: number; suspect: number } }
  /** Meter readings that are not in the ledger. */
  spoolLag(): number
}

export interface GatewayMetrics {
  readonly telemetry: GatewayTelemetry
  readonly families: Metrics<typeof gatewayMetrics>
  collect(gateway: GatewayView): void
}

interface PlaceSeries {
  readonly interToken: HistogramSeries
  readonly streamedTokens: NumberSeries
}

/** `classOf` tells a node's class, as the gateway knows it. */
export function createGatewayMetrics(classOf: (nodeId: string) => string): GatewayMetrics {
  const families = createMetrics(gatewayMetrics)
  const modelOf = createNameLimit(MODELS_MAX)
  const ejected = new Set<string>()
  /** By model and class: what is counted for each token. */
  const places = new Map<string, Map<string, PlaceSeries>>()

  function placeOf(model: string, nodeClass: string): PlaceSeries {
    let classes = places.get(model)
    if (!classes) {
      classes = new Map()
      places.set(model, classes)
    }
    let place = classes.get(nodeClass)
    if (!place) {
      const labels = [modelOf(model), nodeClass] as const
      place = {
        interToken: families.interToken.of(...labels),
        streamedTokens: families.streamedTokens.of(...labels),
      }
      classes.set(nodeClass, place)
    }
    return place
  }

  const telemetry: GatewayTelemetry = {
    onAdmitted: ({ model }) => families.inFlight.of(modelOf(model)).add(1),
    onRefused: ({ code }) => families.refused.of(code).add(),
    onQueue: (model, waiting) => families.waiting.of(modelOf(model)).set(waiting),
    onAttempt({ model, nodeId, waitedMs }) {
      families.attempts.of(modelOf(model), classOf(nodeId)).add()
      families.wait.of(modelOf(model)).observe(waitedMs / 1_000)
    },
    onFirstToken({ model, nodeId, firstTokenMs }) {
      families.firstToken.of(modelOf(model), classOf(nodeId)).observe(firstTokenMs / 1_000)
    },
    onToken(model, tokens, pauseMs, nodeId) {
      if (tokens === 0) return
      const { interToken, streamedTokens } = placeOf(model, classOf(nodeId))
      streamedTokens.value += tokens
      if (pauseMs > 0) interToken.observe(pauseMs / 1_000 / tokens, tokens)
      // Those that came together with the first.
      else if (tokens > 1) interToken.observe(0, tokens - 1)
    },
    onFailover: ({ model, code, hasBegun }) =>
      families.failovers.of(modelOf(model), hasBegun ? 'mid_stream' : 'before_first_token', code).add(),
    onHedge({ model, nodeId, result }) {
      families.hedges.of(modelOf(model), result).add()
      if (result === 'started') families.attempts.of(modelOf(model), classOf(nodeId)).add()
    },
    onFailed: () => undefined,
    onEjected({ model, nodeId, reason }) {
      families.ejections.of(modelOf(model), reason).add()
      const key = `${model}\u0000${nodeId}`
      if (!ejected.has(key)) families.ejected.of(modelOf(model)).add(1)
      ejected.add(key)
    },
    onReadmitted({ model, nodeId }) {
      if (ejected.delete(`${model}\u0000${nodeId}`)) families.ejected.of(modelOf(model)).add(-1)
    },
    onOutcome(record) {
      families.inFlight.of(modelOf(record.model)).add(-1)
      countOutcome(record)
    },
  }

  function countOutcome(record: UsageRecord): void {
    const model = modelOf(record.model)
    const { outcome, parts, totalMs, firstTokenMs } = record
    const last = parts.at(-1)
    const nodeClass = last ? classOf(last.nodeId) : NO_CLASS
    families.requests.of(model, nodeClass, outcome).add()
    families.duration.of(model, nodeClass, outcome).observe(totalMs / 1_000)
    let completionTokens = 0
    for (const part of parts) {
      const ofPart = classOf(part.nodeId)
      completionTokens += part.completionTokens
      families.tokens.of(model, ofPart, 'prompt').add(part.promptTokens)
      families.tokens.of(model, ofPart, 'completion').add(part.completionTokens)
    }
    const cost = parts.reduce((sum, part) => sum + costOf(part, part), 0n)
    families.charged.of(model).add(Number(cost) / 1e9)
    const streamingMs = firstTokenMs === null ? 0 : totalMs - firstTokenMs
    if (outcome === 'completed' && completionTokens > 1 && streamingMs > 0)
      families.speed.of(model, nodeClass).observe(((completionTokens - 1) / streamingMs) * 1_000)
  }

  return {
    telemetry,
    families,
    collect(gateway) {
      const { online, suspect } = gateway.nodes.count()
      families.nodes.of('online').set(online)
      families.nodes.of('suspect').set(suspect)
      families.spoolLag.of().set(gateway.spoolLag())
      families.slots.clear()
      for (const [id, { slots }] of gateway.models()) families.slots.of(modelOf(id)).add(slots)
    },
  }
}

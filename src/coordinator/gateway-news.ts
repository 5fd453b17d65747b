import type { TimestampMs } from '#kernel/time.ts'
import type { Demand, DemandSample } from '#models/demand.ts'
import type { Follow } from '#protocol/cell.ts'
import type { HostedModel, ModelDemand } from '#protocol/model-catalogue.ts'
import { type SlaClass, stricter } from '#protocol/sla.ts'

/** What gateways tell of models with each call: the demand that they see, and how far their nodes are. In memory only. */
export interface GatewayNews {
  /** Notes what `input` tells. */
  heard(input: Follow, nowMs: TimestampMs): void
  /** Of one model, over all gateways that are heard. Takes what arrived since the last call for it. */
  sample(model: string, nowMs: TimestampMs): DemandSample
  /** What the node said last, if its gateway is still heard. */
  hosted(nodeId: string, nowMs: TimestampMs): readonly HostedModel[]
  /** The strictest promise that requests for the model were made under of late. */
  promised(model: string, nowMs: TimestampMs): SlaClass
  /** Forgets gateways and models that are not heard of any more. */
  forget(nowMs: TimestampMs): void
}

interface GatewayRecord {
  heardAtMs: TimestampMs
  demand: Map<string, ModelDemand>
  hosted: Map<string, readonly HostedModel[]>
}

/** As long as a gateway may be silent before it is given up. */
const SILENCE_MS = 6_000
/** Longer than any smoothing of the demand. */
const FORGET_MS = 10 * 60_000

export function createGatewayNews(): GatewayNews {
  const gateways = new Map<string, GatewayRecord>()
  const arrived = new Map<string, number>()
  const live = (nowMs: TimestampMs): GatewayRecord[] =>
    [...gateways.values()].filter(({ heardAtMs }) => nowMs - heardAtMs < SILENCE_MS)

  return {
    heard({ gatewayId, demand = [], hosted = [] }, nowMs) {
      const before = gateways.get(gatewayId)
      for (const { model, requests } of demand) {
        const counted = before?.demand.get(model)?.requests ?? 0
        // A gateway that started anew counts from zero.
        const more = requests >= counted ? requests - counted : requests
        if (more > 0) arrived.set(model, (arrived.get(model) ?? 0) + more)
      }
      gateways.set(gatewayId, {
        heardAtMs: nowMs,
        demand: new Map(demand.map((seen) => [seen.model, seen])),
        hosted: new Map(hosted.map(({ nodeId, models }) => [nodeId, models])),
      })
    },
    sample(model, nowMs) {
      let running = 0
      let queued = 0
      for (const { demand } of live(nowMs)) {
        running += demand.get(model)?.running ?? 0
        queued += demand.get(model)?.queued ?? 0
      }
      const came = arrived.get(model) ?? 0
      arrived.delete(model)
      return { atMs: nowMs, running, queued, arrived: came }
    },
    hosted(nodeId, nowMs) {
      const tellers = live(nowMs).filter(({ hosted }) => hosted.has(nodeId))
      // A node that changed its gateway is told of by both for a moment: the later word counts.
      const newest = tellers.sort((a, b) => b.heardAtMs - a.heardAtMs)[0]
      return newest?.hosted.get(nodeId) ?? []
    },
    promised: (model, nowMs) =>
      live(nowMs).reduce<SlaClass>(
        (strictest, { demand }) => stricter(strictest, demand.get(model)?.slaClass ?? 'none'),
        'none',
      ),
    forget(nowMs) {
      for (const [gatewayId, { heardAtMs }] of gateways) {
        if (nowMs - heardAtMs > FORGET_MS) gateways.delete(gatewayId)
      }
    },
  }
}

/** What a model that nobody has watched yet shows. */
export const NO_DEMAND: Pick<Demand, 'level' | 'requestsPerMinute' | 'wanted'> & {
  readonly sample: Pick<DemandSample, 'running' | 'queued'>
} = { level: 0, requestsPerMinute: 0, wanted: 0, sample: { running: 0, queued: 0 } }

/**
 * Keeps the models of the catalogue where they belong: hears from the gateways what is asked and how far the nodes are,
 * reckons how many replicas of each model that takes, and places and evicts until the fleet is so. Demand and progress
 * are in memory alone; what is decided from them is journalled.
 */
import type { Node } from '#fleet/fleet.ts'
import { tokenPrice } from '#fleet/token-price.ts'
import type { TimestampMs } from '#kernel/time.ts'
import { type Demand, stepDemand } from '#models/demand.ts'
import { isPlaced } from '#models/models.ts'
import type { NodeView } from '#models/node-view.ts'
import {
  planPlacement,
  type Replicas,
  replicasOf,
  type Shortage,
  type World,
} from '#models/plan-placement.ts'
import type { Follow } from '#protocol/cell.ts'
import type { ColdModel, HostedModel } from '#protocol/model-catalogue.ts'
import type { SlaClass } from '#protocol/sla.ts'
import type { CoordinatorState } from './coordinator-state.ts'
import { createGatewayNews } from './gateway-news.ts'
import { priceBoundOf } from './model-orders.ts'
import { barOf } from './node-bars.ts'
import { shortageText } from './shortage-text.ts'
import type { Turn } from './turn.ts'

export interface ModelFleet {
  /** Notes what a gateway told. */
  heard(turn: Turn, input: Follow): void
  /** Places and evicts what is due; every second. */
  step(turn: Turn): void
  /** Models that no node serves, for gateways to tell callers. */
  cold(): readonly ColdModel[]
  /** How one model stands. */
  stateOf(name: string, nowMs: TimestampMs): ModelState
}

export interface ModelState {
  readonly demand: Demand | null
  readonly replicas: Replicas
  /** What the nodes say of it, by node. */
  readonly hosted: ReadonlyMap<string, HostedModel>
  /** Why there are fewer than wanted; null while there are not. */
  readonly shortage: string | null
}

/** A load of which nothing is known yet: from a node's disk, and over its line. */
const LOAD_MS = 15_000
const CACHED_BYTES_PER_MS = 500_000
const LINE_BYTES_PER_MS = 10_000
const FORGET_EVERY_MS = 60_000
/** Within this time a node has told that it offers a model no more. */
const LEAVING_MS = 15_000

export function createModelFleet(state: CoordinatorState): ModelFleet {
  const news = createGatewayNews()
  const demands = new Map<string, Demand>()
  /** Since when each node is available or not, as seen here. */
  const availability = new Map<string, { isAvailable: boolean; sinceMs: TimestampMs }>()
  /** What was evicted a moment ago: until its node says so itself, its last word is out of date. */
  const leaving = new Map<string, TimestampMs>()
  /** Why the last load of each model failed. */
  const problems = new Map<string, string>()
  let shortages: ReadonlyMap<string, Shortage> = new Map()
  let forgotAtMs = 0
  let seen: { readonly nowMs: TimestampMs; readonly nodes: readonly NodeView[] } | null = null
  /** As of the last step: every gateway asks for it every second. */
  let coldModels: ColdModel[] = []

  function viewOf(node: Node, nowMs: TimestampMs): NodeView {
    const { id: nodeId, organisationId: ownerId, nodeClass, capability } = node
    const isAvailable = isAvailableNow(node) && barOf(state, nodeId, nowMs) === null
    const seen = availability.get(nodeId)
    const sinceMs = seen?.isAvailable === isAvailable ? seen.sinceMs : nowMs
    if (seen?.isAvailable !== isAvailable) availability.set(nodeId, { isAvailable, sinceMs })
    const isLeaving = (name: string): boolean => nowMs - (leaving.get(`${nodeId} ${name}`) ?? 0) < LEAVING_MS
    const offered = (capability?.models ?? []).flatMap(({ id }) => (isLeaving(id) ? [] : id))
    return {
      nodeId,
      ownerId,
      nodeClass,
      isAvailable,
      sinceMs,
      serves: new Set(offered),
      tooDear: new Set(offered.filter((id) => isTooDear(state, node, id))),
      hosting: capability?.hosting ?? null,
      stages: new Map(news.hosted(nodeId, nowMs).map(({ model, stage }) => [model, stage])),
      ...apartnessOf(state, node),
    }
  }

  /** As of `nowMs`: one view of the nodes for all that asks within the same instant. */
  function world(nowMs: TimestampMs): World {
    if (seen?.nowMs !== nowMs) {
      const nodes = [...state.fleet.nodes.values()].map((node) => viewOf(node, nowMs))
      seen = { nowMs, nodes }
    }
    const wanted = new Map([...demands].map(([name, demand]) => [name, demand.wanted]))
    return { models: state.models, nodes: seen.nodes, wanted, nowMs }
  }

  function watchDemand(nowMs: TimestampMs): void {
    const now = world(nowMs)
    for (const [name, { settings }] of state.models.catalogue) {
      const { serving, loading } = replicasOf(now, name)
      const { replicasMin, replicasMax: max, slots } = settings
      const min = Math.min(max, Math.max(replicasMin, replicasFor(news.promised(name, nowMs))))
      const bounds = { min, max, slots, ready: serving.length, live: serving.length + loading.length }
      demands.set(name, stepDemand(demands.get(name) ?? null, news.sample(name, nowMs), bounds))
    }
    for (const name of demands.keys()) if (!state.models.catalogue.has(name)) demands.delete(name)
  }

  function etaOf(name: string, nowMs: TimestampMs): number | null {
    const model = state.models.catalogue.get(name)
    const { loading } = replicasOf(world(nowMs), name)
    const told = loading.flatMap(
      ({ nodeId }) => news.hosted(nodeId, nowMs).find((hosted) => hosted.model === name)?.etaMs ?? [],
    )
    if (told.length > 0) return Math.min(...told)
    if (loading.length === 0 && shortages.has(name)) return null
    const sizeBytes = model?.facts?.sizeBytes ?? 0
    const isCached = [...state.fleet.nodes.values()].some(
      (node) => isAvailableNow(node) && node.capability?.hosting?.cached.includes(model?.key ?? ''),
    )
    return LOAD_MS + Math.ceil(sizeBytes / (isCached ? CACHED_BYTES_PER_MS : LINE_BYTES_PER_MS))
  }

  function findCold(nowMs: TimestampMs): ColdModel[] {
    const now = world(nowMs)
    return [...state.models.catalogue.keys()].flatMap((model) => {
      if (replicasOf(now, model).serving.length > 0) return []
      const etaMs = etaOf(model, nowMs)
      // Callers are told it: what nodes say in their own words is not for them.
      return [{ model, etaMs, why: etaMs === null ? shortageText(shortages.get(model)) : null }]
    })
  }

  return {
    heard(turn, input) {
      news.heard(input, turn.nowMs)
      for (const { nodeId, models } of input.hosted ?? []) {
        for (const { model, facts, problem, stage } of models) {
          // Whose node it is not placed on has nothing to say of it.
          if (!isPlaced(state.models, nodeId, model)) continue
          if (stage === 'failed' && problem) problems.set(model, problem.message)
          if (facts) turn.models({ kind: 'measure', model, facts, nowMs: turn.nowMs })
        }
      }
    },
    step(turn) {
      const { nowMs } = turn
      if (state.models.catalogue.size === 0) {
        coldModels = []
        return demands.clear()
      }
      watchDemand(nowMs)
      const plan = planPlacement(world(nowMs))
      shortages = plan.shortages
      // What the decider refuses is planned anew in a second.
      for (const act of plan.acts) {
        if (turn.models({ ...act, nowMs }) === null && act.kind === 'evict')
          leaving.set(`${act.nodeId} ${act.model}`, nowMs)
      }
      coldModels = findCold(nowMs)
      for (const name of problems.keys()) if (!shortages.has(name)) problems.delete(name)
      if (nowMs - forgotAtMs < FORGET_EVERY_MS) return
      forgotAtMs = nowMs
      news.forget(nowMs)
      for (const [pair, atMs] of leaving) if (nowMs - atMs >= LEAVING_MS) leaving.delete(pair)
      for (const nodeId of availability.keys())
        if (!state.fleet.nodes.has(nodeId)) availability.delete(nodeId)
    },
    cold: () => coldModels,
    stateOf(name, nowMs) {
      const nodes = [...state.fleet.nodes.keys()]
      return {
        demand: demands.get(name) ?? null,
        replicas: replicasOf(world(nowMs), name),
        hosted: new Map(
          nodes.flatMap((nodeId) => {
            const told = news.hosted(nodeId, nowMs).find(({ model }) => model === name)
            return told ? [[nodeId, told] as const] : []
          }),
        ),
        shortage: shortages.has(name) ? shortageText(shortages.get(name), problems.get(name)) : null,
      }
    },
  }
}

/** Where a replica that fails must not be the last: with one to spare for the class. */
const replicasFor = (slaClass: SlaClass): number =>
  slaClass === 'enterprise' ? 3 : slaClass === 'business' ? 2 : 0

/** What a node shares with others, which may fail with it. */
export const apartnessOf = (
  { reputation }: CoordinatorState,
  { id, capability }: Node,
): Pick<NodeView, 'shares' | 'standing'> => ({
  shares: {
    region: capability?.region ?? null,
    network: reputation.nodes.get(id)?.network ?? null,
    agentVersion: capability?.agentVersion ?? null,
  },
  standing: (reputation.nodes.get(id)?.standing ?? 100) / 100,
})

function isTooDear({ models }: CoordinatorState, { capability, askPerGpuHour }: Node, name: string): boolean {
  const entry = models.catalogue.get(name)
  const bound = entry && entry.source.kind !== 'upstream' ? priceBoundOf(entry.settings) : null
  const model = capability?.models.find(({ id }) => id === name)
  if (!bound || !capability || !model) return false
  const { promptPerMillion, completionPerMillion } = tokenPrice(capability, model, askPerGpuHour)
  return promptPerMillion > bound.input || completionPerMillion > bound.output
}

const isAvailableNow = ({ presence, isDrained, bannedReason, capability }: Node): boolean =>
  presence === 'online' && !isDrained && bannedReason === null && capability?.parkedReason == null

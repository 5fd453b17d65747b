/**
 * Which node is to load or unload which model. Called every second with the world as it is; each call proposes at most
 * one act for a model, and the next call sees what came of it. Pure: the same world gives the same acts.
 *
 * A replica is *live* when its node is here and serves the model or is about to. First what must go goes (removed,
 * refused, failed, away for long); then a model with fewer live replicas than wanted gets one; then one with more loses
 * one. What a node serves by its owner's own choice counts as a replica and is never touched.
 */
import type { TimestampMs } from '#kernel/time.ts'
import { isClassEnough } from '#protocol/node-class.ts'
import { chooseHost, type Obstacle } from './choose-host.ts'
import { placedMib } from './decide-models.ts'
import { memoryMibOf } from './memory.ts'
import type { EvictionReason } from './model-events.ts'
import { isPlaced, type Model, type Models, type Placement } from './models.ts'
import type { NodeView } from './node-view.ts'

export type PlannedAct =
  | { readonly kind: 'place'; readonly model: string; readonly nodeId: string; readonly memoryMib: number }
  | {
      readonly kind: 'evict'
      readonly model: string
      readonly nodeId: string
      readonly reason: EvictionReason
    }

export interface Plan {
  readonly acts: readonly PlannedAct[]
  /** For each model with fewer live replicas than wanted: what kept how many nodes from it. */
  readonly shortages: ReadonlyMap<string, Shortage>
}
export type Shortage = ReadonlyMap<Obstacle, number>

/** A node that is away keeps its models this long: it has them loaded when it comes back. */
export const GONE_MS = 10 * 60_000
/** A replica that is away is replaced after this long, at once when no other one serves. */
export const REPLACE_AFTER_MS = 45_000
/** A node that is here and says nothing of a model that was placed on it has failed to load it. */
export const SILENT_MS = 120_000

export interface World {
  readonly models: Models
  readonly nodes: readonly NodeView[]
  /** Replicas, by model. */
  readonly wanted: ReadonlyMap<string, number>
  readonly nowMs: TimestampMs
}

export function planPlacement(world: World): Plan {
  const { models } = world
  const acts: PlannedAct[] = evictions(world)
  const shortages = new Map<string, Shortage>()
  // One change at a time where one waits for another: what must go goes first.
  const touched = new Set(acts.map(({ nodeId }) => nodeId))
  const names = [...models.catalogue.keys()].sort()
  const replicas = new Map(names.map((name) => [name, replicasOf(world, name)]))
  // Who has none at all comes first.
  const byNeed = [...names].sort((a, b) => sizeOf(replicas.get(a)) - sizeOf(replicas.get(b)))
  for (const name of byNeed) {
    const model = models.catalogue.get(name)
    const found = replicas.get(name)
    const wanted = world.wanted.get(name) ?? 0
    if (!model || !found) continue
    if (found.serving.length + found.loading.length + found.soonBack < wanted) {
      const choice = chooseHost(world, model, { taken: touched, live: found })
      if (choice.kind === 'none') shortages.set(name, choice.obstacles)
      const made = choice.kind === 'host' ? [choice.act] : makeRoom(world, model, { touched, replicas })
      for (const act of made) touched.add(act.nodeId)
      acts.push(...made)
    } else {
      const surplus = surplusOf(world, model, found, wanted)
      if (surplus) acts.push(surplus)
    }
  }
  return { acts, shortages }
}

export interface Replicas {
  readonly serving: readonly NodeView[]
  readonly loading: readonly NodeView[]
  /** Away for a moment, and expected back. */
  readonly soonBack: number
}
const sizeOf = (replicas: Replicas | undefined): number =>
  (replicas?.serving.length ?? 0) + (replicas?.loading.length ?? 0)

export function replicasOf({ models, nodes, nowMs }: World, name: string): Replicas {
  const model = models.catalogue.get(name)
  const serving: NodeView[] = []
  const loading: NodeView[] = []
  let away = 0
  for (const node of nodes) {
    const placed = isPlaced(models, node.nodeId, name)
    if (!node.isAvailable) {
      if (placed && nowMs - node.sinceMs < REPLACE_AFTER_MS) away++
    } else if (model && !isClassEnough(node.nodeClass, model.settings.minClass)) continue
    else if (node.tooDear.has(name)) continue
    else if (node.serves.has(name)) serving.push(node)
    else if (placed && node.stages.get(name) !== 'failed') loading.push(node)
  }
  return { serving, loading, soonBack: serving.length > 0 ? away : 0 }
}

/** What cannot stay where it is. */
function evictions({ models, nodes, nowMs }: World): PlannedAct[] {
  const byId = new Map(nodes.map((node) => [node.nodeId, node]))
  const acts: PlannedAct[] = []
  for (const nodeId of [...models.placements.keys()].sort()) {
    const node = byId.get(nodeId)
    const placed = models.placements.get(nodeId) ?? new Map<string, Placement>()
    const memoryMib = node?.hosting?.memoryMib ?? 0
    const isOver = node?.hosting ? placedMib(models, nodeId) > memoryMib : false
    const newest = [...placed].sort(
      (a, b) => b[1].placedAtMs - a[1].placedAtMs || (a[0] < b[0] ? 1 : -1),
    )[0]?.[0]
    for (const [name, placement] of placed) {
      const model = models.catalogue.get(name)
      const reason = !node || !model ? 'gone' : reasonToGo(node, model, { placement, nowMs })
      if (reason) acts.push({ kind: 'evict', model: name, nodeId, reason })
      else if (isOver && name === newest)
        acts.push({ kind: 'evict', model: name, nodeId, reason: 'over_memory' })
    }
  }
  return acts
}

function reasonToGo(
  node: NodeView,
  { name, settings }: Model,
  { placement, nowMs }: { placement: Placement; nowMs: TimestampMs },
): EvictionReason | null {
  if (!node.isAvailable) return nowMs - node.sinceMs > GONE_MS ? 'gone' : null
  const accepts = node.hosting?.accepts
  if (!node.hosting || (accepts && !accepts.includes(name))) return 'not_allowed'
  if (!isClassEnough(node.nodeClass, settings.minClass)) return 'not_allowed'
  if (node.tooDear.has(name)) return 'too_dear'
  const stage = node.stages.get(name)
  if (stage === 'failed') return 'failed'
  const quietSinceMs = Math.max(placement.placedAtMs, node.sinceMs)
  return stage === undefined && !node.serves.has(name) && nowMs - quietSinceMs > SILENT_MS ? 'failed' : null
}

/** The replica that is least missed: one that does not serve yet, else the slowest. */
function surplusOf(
  { models }: World,
  { name }: Model,
  { serving, loading }: Replicas,
  wanted: number,
): PlannedAct | null {
  const movable = (nodes: readonly NodeView[]): NodeView[] =>
    nodes
      .filter((node) => isPlaced(models, node.nodeId, name))
      .sort((a, b) => speedOf(a) - speedOf(b) || (a.nodeId < b.nodeId ? -1 : 1))
  const idle = serving.length >= wanted ? movable(loading)[0] : undefined
  const victim = idle ?? (serving.length > wanted ? movable(serving)[0] : undefined)
  return victim ? { kind: 'evict', model: name, nodeId: victim.nodeId, reason: 'surplus' } : null
}

const speedOf = ({ hosting }: NodeView): number => hosting?.bytesPerSecond ?? 0

/** For a model below its minimum: a replica that another model has beyond its own minimum gives way to it. */
function makeRoom(
  world: World,
  model: Model,
  { touched, replicas }: { touched: ReadonlySet<string>; replicas: ReadonlyMap<string, Replicas> },
): PlannedAct[] {
  const { models, nodes } = world
  if (sizeOf(replicas.get(model.name)) >= model.settings.replicasMin) return []
  const needMib = memoryMibOf(model)
  if (needMib === null) return []
  for (const node of nodes) {
    if (touched.has(node.nodeId) || !node.hosting) continue
    const spare = spareModels(models, node.nodeId, replicas)
    let freeMib = node.hosting.memoryMib - placedMib(models, node.nodeId)
    const giving: Model[] = []
    for (const other of spare) {
      if (freeMib >= needMib) break
      giving.push(other)
      freeMib += memoryMibOf(other) ?? 0
    }
    if (freeMib < needMib || giving.length === 0) continue
    // Would it be taken, were there room?
    const choice = chooseHost({ ...world, nodes: [node] }, model, { ignoresMemory: true, live: null })
    if (choice.kind === 'none') continue
    return giving.map(({ name }) => ({
      kind: 'evict',
      model: name,
      nodeId: node.nodeId,
      reason: 'makes_room',
    }))
  }
  return []
}

/** Models on the node that have more replicas than their minimum, those with the most to spare first. */
function spareModels(models: Models, nodeId: string, replicas: ReadonlyMap<string, Replicas>): Model[] {
  const spareOf = ({ name, settings }: Model): number => sizeOf(replicas.get(name)) - settings.replicasMin
  return [...(models.placements.get(nodeId)?.keys() ?? [])]
    .flatMap((name) => models.catalogue.get(name) ?? [])
    .filter((other) => spareOf(other) > 0)
    .sort((a, b) => spareOf(b) - spareOf(a) || (a.name < b.name ? -1 : 1))
}

import type { TimestampMs } from '#kernel/time.ts'
import { isClassEnough } from '#protocol/node-class.ts'
import { placedMib } from './decide-models.ts'
import { fileMibOf, memoryMibOf } from './memory.ts'
import {
  isPlaced,
  LOADS_PER_HOUR_MAX,
  loadsLately,
  type Model,
  type Models,
  PLACEMENTS_PER_NODE_MAX,
  retryAtMs,
} from './models.ts'
import type { NodeView } from './node-view.ts'

/** What keeps a node from a model, in order of precedence. */
export type Obstacle =
  | 'away'
  | 'takes_no_models'
  | 'not_accepted'
  | 'class_too_low'
  | 'has_it'
  | 'failed_lately'
  | 'too_many_loads'
  | 'too_little_memory'
  | 'too_little_disk'
  | 'size_unknown'

export type HostChoice =
  | {
      readonly kind: 'host'
      readonly act: {
        readonly kind: 'place'
        readonly model: string
        readonly nodeId: string
        readonly memoryMib: number
      }
    }
  | { readonly kind: 'none'; readonly obstacles: ReadonlyMap<Obstacle, number> }

interface HostOptions {
  /** Nodes that have something else to do first. */
  readonly taken?: ReadonlySet<string>
  /** The replicas that there are: null where they do not matter. */
  readonly live: { readonly serving: readonly NodeView[]; readonly loading: readonly NodeView[] } | null
  readonly ignoresMemory?: boolean
}
interface HostWorld {
  readonly models: Models
  readonly nodes: readonly NodeView[]
  readonly nowMs: TimestampMs
}

/**
 * The node that is to load `model`: one that works well, of another owner than its replicas have, then apart from them in
 * what else may take several at once (region, network, version of the agent), then the quickest (within a factor of two), then one that has the file already, then the one with the least to load and the most memory left.
 */
export function chooseHost(world: HostWorld, model: Model, options: HostOptions): HostChoice {
  const { models, nodes } = world
  const live = [...(options.live?.serving ?? []), ...(options.live?.loading ?? [])]
  const obstacles = new Map<Obstacle, number>()
  const isUnmeasured = memoryMibOf(model) === null
  let best: { node: NodeView; rank: readonly number[] } | null = null
  for (const node of nodes) {
    const obstacle =
      isUnmeasured && live.length > 0 ? 'size_unknown' : obstacleAt(world, model, { node, options })
    if (obstacle) {
      obstacles.set(obstacle, (obstacles.get(obstacle) ?? 0) + 1)
      continue
    }
    if (options.taken?.has(node.nodeId)) continue
    const rank = rankOf(models, model, { node, live })
    if (!best || isBefore(rank, best.rank) || (!isBefore(best.rank, rank) && node.nodeId < best.node.nodeId))
      best = { node, rank }
  }
  if (!best) return { kind: 'none', obstacles }
  const { nodeId, hosting } = best.node
  return {
    kind: 'host',
    act: { kind: 'place', model: model.name, nodeId, memoryMib: hosting?.memoryMib ?? 0 },
  }
}

function obstacleAt(
  { models, nowMs }: HostWorld,
  model: Model,
  { node, options }: { node: NodeView; options: HostOptions },
): Obstacle | null {
  const { nodeId, hosting } = node
  if (!node.isAvailable) return 'away'
  if (!hosting) return 'takes_no_models'
  if (hosting.accepts && !hosting.accepts.includes(model.name)) return 'not_accepted'
  if (!isClassEnough(node.nodeClass, model.settings.minClass)) return 'class_too_low'
  if (isPlaced(models, nodeId, model.name) || node.serves.has(model.name)) return 'has_it'
  const failure = models.failures.get(nodeId)?.get(model.name)
  if (failure && nowMs < retryAtMs(failure)) return 'failed_lately'
  if (loadsLately(models, nodeId, nowMs) >= LOADS_PER_HOUR_MAX) return 'too_many_loads'
  const needMib = memoryMibOf(model) ?? 0
  const isFull = (models.placements.get(nodeId)?.size ?? 0) >= PLACEMENTS_PER_NODE_MAX
  const freeMib = hosting.memoryMib - (options.ignoresMemory ? 0 : placedMib(models, nodeId))
  if (freeMib < needMib || (isFull && !options.ignoresMemory)) return 'too_little_memory'
  const fileMib = hosting.cached.includes(model.key) ? 0 : (fileMibOf(model) ?? 0)
  return fileMib > hosting.cacheMib ? 'too_little_disk' : null
}

/** Less is better, the first difference decides. */
function rankOf(
  models: Models,
  model: Model,
  { node, live }: { node: NodeView; live: readonly NodeView[] },
): readonly number[] {
  const { hosting, nodeId, ownerId } = node
  const sameOwner = live.filter((other) => other.ownerId === ownerId).length
  const placed = models.placements.get(nodeId)
  const loading = [...(placed?.keys() ?? [])].filter((name) => !node.serves.has(name)).length
  const freeMib = (hosting?.memoryMib ?? 0) - placedMib(models, nodeId)
  const speed = Math.floor(Math.log2(Math.max(1, hosting?.bytesPerSecond ?? 1)))
  const isCached = hosting?.cached.includes(model.key) ?? false
  // A file of unknown size goes where the most room is.
  const spread = [isShaky(node) ? 1 : 0, sameOwner, sharedWith(node, live)]
  if (memoryMibOf(model) === null) return [...spread, -freeMib, -speed, isCached ? 0 : 1]
  return [...spread, -speed, isCached ? 0 : 1, loading, -freeMib]
}

/** It fails or crawls so often that a replica elsewhere is worth more. */
const isShaky = ({ standing = 1 }: NodeView): boolean => standing < STANDING_MIN
const STANDING_MIN = 0.5

/** Over all replicas, what they have in common with the node; what is not known is not shared. */
const sharedWith = ({ shares }: NodeView, live: readonly NodeView[]): number =>
  live.reduce(
    (sum, other) =>
      sum +
      (['region', 'network', 'agentVersion'] as const).filter(
        (name) => shares?.[name] != null && shares[name] === other.shares?.[name],
      ).length,
    0,
  )

function isBefore(a: readonly number[], b: readonly number[]): boolean {
  for (const [index, value] of a.entries()) {
    const other = b[index] ?? 0
    if (value !== other) return value < other
  }
  return false
}

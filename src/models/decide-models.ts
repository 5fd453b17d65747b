import { unreachable } from '#kernel/assert.ts'
import { toCanonical } from '#kernel/canonical.ts'
import type { TimestampMs } from '#kernel/time.ts'
import type { CatalogueSource, ModelFacts } from '#protocol/model-catalogue.ts'
import { memoryMibOf } from './memory.ts'
import type { EvictionReason, ModelEvent, ModelSettings } from './model-events.ts'
import {
  isPlaced,
  LOADS_PER_HOUR_MAX,
  loadsLately,
  MODELS_MAX,
  type Models,
  PLACEMENTS_PER_NODE_MAX,
  retryAtMs,
} from './models.ts'

export type ModelCommand =
  | {
      kind: 'add'
      model: string
      source: CatalogueSource
      key: string
      facts: ModelFacts | null
      settings: ModelSettings
      nowMs: TimestampMs
    }
  | { kind: 'change'; model: string; settings: ModelSettings; nowMs: TimestampMs }
  | { kind: 'remove'; model: string; nowMs: TimestampMs }
  | { kind: 'measure'; model: string; facts: ModelFacts; nowMs: TimestampMs }
  | {
      kind: 'place'
      model: string
      nodeId: string
      /** What the node gives to models. */
      memoryMib: number
      nowMs: TimestampMs
    }
  | { kind: 'evict'; model: string; nodeId: string; reason: EvictionReason; nowMs: TimestampMs }

/** Ordered by precedence. */
export type ModelRefusal =
  | 'model_exists'
  | 'model_unknown'
  | 'catalogue_full'
  | 'replicas_wrong'
  | 'placed_already'
  | 'not_placed'
  | 'retry_too_early'
  | 'loads_exceeded'
  | 'node_full'
  | 'memory_exceeded'

/** The events that `command` causes (none when it asks for what already is), or why it is refused. */
export function decideModels(models: Models, command: ModelCommand): ModelRefusal | ModelEvent[] {
  const { model: name, nowMs: atMs } = command
  const known = models.catalogue.get(name)
  if (command.kind === 'add') {
    const { source, key, facts, settings } = command
    if (known) return 'model_exists'
    if (models.catalogue.size >= MODELS_MAX) return 'catalogue_full'
    if (!areReplicasRight(settings)) return 'replicas_wrong'
    return [{ type: 'model.added', model: name, source, key, facts, ...settings, atMs }]
  }
  if (!known) return 'model_unknown'
  switch (command.kind) {
    case 'change': {
      if (!areReplicasRight(command.settings)) return 'replicas_wrong'
      if (toCanonical(known.settings) === toCanonical(command.settings)) return []
      return [{ type: 'model.changed', model: name, ...command.settings, atMs }]
    }
    case 'remove':
      return [
        ...nodesWith(models, name).map((nodeId) => evicted(name, nodeId, 'removed', atMs)),
        { type: 'model.removed', model: name, atMs },
      ]
    case 'measure':
      // The first node that has read the file tells; a file that changes under its name is another model.
      return known.facts === null ? [{ type: 'model.measured', model: name, facts: command.facts, atMs }] : []
    case 'place':
      return decidePlace(models, command)
    case 'evict':
      if (!isPlaced(models, command.nodeId, name)) return 'not_placed'
      return [evicted(name, command.nodeId, command.reason, atMs)]
    default:
      return unreachable(command)
  }
}

function decidePlace(models: Models, command: ModelCommand & { kind: 'place' }): ModelRefusal | ModelEvent[] {
  const { model, nodeId, memoryMib, nowMs } = command
  if (isPlaced(models, nodeId, model)) return 'placed_already'
  const failure = models.failures.get(nodeId)?.get(model)
  if (failure && nowMs < retryAtMs(failure)) return 'retry_too_early'
  if (loadsLately(models, nodeId, nowMs) >= LOADS_PER_HOUR_MAX) return 'loads_exceeded'
  if ((models.placements.get(nodeId)?.size ?? 0) >= PLACEMENTS_PER_NODE_MAX) return 'node_full'
  if (placedMib(models, nodeId, model) > memoryMib) return 'memory_exceeded'
  return [{ type: 'model.placed', model, nodeId, atMs: nowMs }]
}

/** Memory that the node needs for what is placed on it, with `more`, in MiB. What nobody knows yet counts nothing. */
export function placedMib(models: Models, nodeId: string, more: string | null = null): number {
  let sum = 0
  for (const name of [...(models.placements.get(nodeId)?.keys() ?? []), ...(more === null ? [] : [more])]) {
    const model = models.catalogue.get(name)
    sum += (model && memoryMibOf(model)) ?? 0
  }
  return sum
}

const areReplicasRight = ({ replicasMin, replicasMax }: ModelSettings): boolean =>
  replicasMin >= 0 && replicasMax >= 1 && replicasMin <= replicasMax

/** In the order of their ids. */
export const nodesWith = (models: Models, name: string): string[] =>
  [...models.placements]
    .filter(([, placed]) => placed.has(name))
    .map(([nodeId]) => nodeId)
    .sort()

const evicted = (model: string, nodeId: string, reason: EvictionReason, atMs: TimestampMs): ModelEvent => ({
  type: 'model.evicted',
  model,
  nodeId,
  reason,
  atMs,
})

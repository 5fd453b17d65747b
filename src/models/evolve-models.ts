import { assert, unreachable } from '#kernel/assert.ts'
import type { ModelEvent, ModelSettings } from './model-events.ts'
import { LOADS_WINDOW_MS, type Model, type Models } from './models.ts'

/** Applies an event that `decideModels` returned for this same state. The only writer of the models. */
export function evolveModels(models: Models, event: ModelEvent): void {
  const { model: name } = event
  switch (event.type) {
    case 'model.added': {
      const { source, key, facts, atMs } = event
      models.catalogue.set(name, { name, source, key, facts, addedAtMs: atMs, settings: settingsOf(event) })
      break
    }
    case 'model.changed':
      modelOf(models, name).settings = settingsOf(event)
      break
    case 'model.measured':
      modelOf(models, name).facts = event.facts
      break
    case 'model.removed':
      models.catalogue.delete(name)
      for (const nodeId of [...models.failures.keys()]) forget(models.failures, nodeId, name)
      break
    case 'model.placed': {
      const { nodeId, atMs } = event
      const placed = models.placements.get(nodeId) ?? new Map()
      models.placements.set(nodeId, placed.set(name, { placedAtMs: atMs }))
      const lately = (models.loads.get(nodeId) ?? []).filter((loadMs) => loadMs > atMs - LOADS_WINDOW_MS)
      models.loads.set(nodeId, [...lately, atMs])
      break
    }
    case 'model.evicted': {
      const { nodeId, reason, atMs } = event
      forget(models.placements, nodeId, name)
      if (reason !== 'failed' && reason !== 'too_dear') {
        // It left in peace, so the next try there is no repeat of a failure.
        forget(models.failures, nodeId, name)
        break
      }
      const failed = models.failures.get(nodeId) ?? new Map()
      const count = (failed.get(name)?.count ?? 0) + 1
      models.failures.set(nodeId, failed.set(name, { count, atMs }))
      break
    }
    default:
      unreachable(event)
  }
}

function settingsOf(event: ModelSettings): ModelSettings {
  const { price, priceMax, replicasMin, replicasMax, minClass, contextTokens, slots } = event
  return { price, priceMax, replicasMin, replicasMax, minClass, contextTokens, slots }
}

function modelOf(models: Models, name: string): Model {
  const model = models.catalogue.get(name)
  assert(model, `model ${name} exists, for decide checked it`)
  return model
}

/** A node without entries does not stand in the map. */
function forget<T>(byNode: Map<string, Map<string, T>>, nodeId: string, name: string): void {
  const entries = byNode.get(nodeId)
  entries?.delete(name)
  if (entries?.size === 0) byNode.delete(nodeId)
}

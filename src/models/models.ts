/**
 * The catalogue of models and where each is placed. An operator adds, changes and removes models; a planner
 * (`plan-placement.ts`) proposes which node is to load or unload which, and the decider here takes a proposal only
 * within its bounds: never over a node's memory, never more loads of a node in an hour than `LOADS_PER_HOUR_MAX`.
 *
 * A placement is an order to the node, and stays until it is evicted; whether the node serves the model already is the
 * node's own news and not kept here.
 */
import { assert } from '#kernel/assert.ts'
import { HOUR_MS, type TimestampMs } from '#kernel/time.ts'
import type { CatalogueSource, ModelFacts } from '#protocol/model-catalogue.ts'
import type { ModelSettings } from './model-events.ts'

export interface Models {
  catalogue: Map<string, Model>
  /** By node, then by model. No node stands here without a model. */
  placements: Map<string, Map<string, Placement>>
  /** When each node was told to load something, within the last hour of its newest load. */
  loads: Map<string, readonly TimestampMs[]>
  /** Loads that failed, by node, then by model: the next try waits longer each time. */
  failures: Map<string, Map<string, LoadFailure>>
}

export interface Model {
  readonly name: string
  readonly source: CatalogueSource
  readonly key: string
  readonly addedAtMs: TimestampMs
  facts: ModelFacts | null
  settings: ModelSettings
}
export interface Placement {
  readonly placedAtMs: TimestampMs
}
export interface LoadFailure {
  readonly count: number
  readonly atMs: TimestampMs
}

/** More would be flapping: a load may take an hour of a node's line and disk. */
export const LOADS_PER_HOUR_MAX = 12
export const LOADS_WINDOW_MS = HOUR_MS
/** The catalogue is told whole to every gateway. */
export const MODELS_MAX = 500
export const PLACEMENTS_PER_NODE_MAX = 64

const RETRY_MS_MIN = 60_000
const RETRY_MS_MAX = HOUR_MS

/** When a node may be told again to load what it failed to load. */
export const retryAtMs = ({ count, atMs }: LoadFailure): TimestampMs =>
  atMs + Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(count - 1, 10))

export const emptyModels = (): Models => ({
  catalogue: new Map(),
  placements: new Map(),
  loads: new Map(),
  failures: new Map(),
})

export const isPlaced = (models: Models, nodeId: string, model: string): boolean =>
  models.placements.get(nodeId)?.has(model) ?? false

/** Loads that the node was told to do in the hour before `nowMs`. */
export const loadsLately = (models: Models, nodeId: string, nowMs: TimestampMs): number =>
  (models.loads.get(nodeId) ?? []).filter((atMs) => atMs > nowMs - LOADS_WINDOW_MS).length

/** Throws unless every placement is of a model in the catalogue and within the bounds. */
export function checkModels(models: Models): void {
  for (const [name, { settings }] of models.catalogue) {
    const { replicasMin, replicasMax } = settings
    assert(
      replicasMin >= 0 && replicasMin <= replicasMax,
      `model ${name} has its replicas the wrong way round`,
    )
  }
  for (const [nodeId, placed] of models.placements) {
    assert(placed.size > 0, `${nodeId} stands among the placements without one`)
    assert(placed.size <= PLACEMENTS_PER_NODE_MAX, `${nodeId} has ${placed.size} models`)
    for (const name of placed.keys())
      assert(models.catalogue.has(name), `${nodeId} has ${name}, which is no model`)
  }
  for (const [nodeId, times] of models.loads) {
    assert(times.length <= LOADS_PER_HOUR_MAX, `${nodeId} was told to load ${times.length} models in an hour`)
  }
  for (const failed of models.failures.values()) {
    for (const name of failed.keys()) assert(models.catalogue.has(name), `${name} failed and is no model`)
  }
}

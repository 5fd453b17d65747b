import { z } from 'zod'
import { CatalogueSource, ModelFacts } from '#protocol/model-catalogue.ts'
import { NanoUsd } from '#protocol/money.ts'
import { NodeClass } from '#protocol/node-class.ts'

const Price = z.object({ input: NanoUsd, cached: NanoUsd, output: NanoUsd })

/** What an operator set of a model. */
const settings = {
  price: Price.nullable(),
  priceMax: Price.nullable(),
  replicasMin: z.int(),
  replicasMax: z.int(),
  minClass: NodeClass,
  contextTokens: z.int(),
  slots: z.int(),
}
export const ModelSettings = z.object(settings)
export type ModelSettings = z.output<typeof ModelSettings>

/** Why a model is on a node no more. */
export const EvictionReason = z.enum([
  'removed',
  'surplus',
  'makes_room',
  'over_memory',
  'not_allowed',
  'gone',
  'failed',
  'too_dear',
])
export type EvictionReason = z.output<typeof EvictionReason>

export const ModelEvent = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('model.added'),
    model: z.string(),
    source: CatalogueSource,
    /** Names the file in the nodes' caches. */
    key: z.string(),
    facts: ModelFacts.nullable(),
    ...settings,
    atMs: z.int(),
  }),
  z.object({ type: z.literal('model.changed'), model: z.string(), ...settings, atMs: z.int() }),
  z.object({ type: z.literal('model.removed'), model: z.string(), atMs: z.int() }),
  z.object({ type: z.literal('model.measured'), model: z.string(), facts: ModelFacts, atMs: z.int() }),
  z.object({ type: z.literal('model.placed'), model: z.string(), nodeId: z.string(), atMs: z.int() }),
  z.object({
    type: z.literal('model.evicted'),
    model: z.string(),
    nodeId: z.string(),
    reason: EvictionReason,
    atMs: z.int(),
  }),
])
export type ModelEvent = z.output<typeof ModelEvent>

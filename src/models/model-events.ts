import { z } from 'zod'
import type { CatalogueSource } from '#protocol/model-catalogue.ts'
import { NanoUsd } from '#protocol/money.ts'
import { NodeClass } from '#protocol/node-class.ts'

const Price = z.object({ input: NanoUsd, cached: NanoUsd, output: NanoUsd })
/** What was checked when the operator gave it. */
const Source = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('file'), path: z.string(), sha256: z.string() }),
  z.object({ kind: z.literal('url'), url: z.string(), sha256: z.string().optional() }),
  z.object({
    kind: z.literal('hub'),
    repository: z.string(),
    file: z.string().optional(),
    revision: z.string().optional(),
    sha256: z.string().optional(),
  }),
  z.object({ kind: z.literal('upstream'), baseUrl: z.string(), model: z.string().optional() }),
]) satisfies z.ZodType<CatalogueSource>
const Facts = z.object({ sizeBytes: z.int(), kvBytesPerToken: z.int(), contextTokens: z.int() })

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
    source: Source,
    /** Names the file in the nodes' caches. */
    key: z.string(),
    facts: Facts.nullable(),
    ...settings,
    atMs: z.int(),
  }),
  z.object({ type: z.literal('model.changed'), model: z.string(), ...settings, atMs: z.int() }),
  z.object({ type: z.literal('model.removed'), model: z.string(), atMs: z.int() }),
  z.object({ type: z.literal('model.measured'), model: z.string(), facts: Facts, atMs: z.int() }),
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

/** Models with what their nodes ask and do together. */
import { z } from 'zod'
import { NanoUsd } from '#protocol/money.ts'
import { NodeClass } from '#protocol/node-class.ts'
import type { NodeConnection, Offer } from './node-connection.ts'

/** As workers of one machine tell each other. Prices are per million tokens. */
export const LiveModel = z.object({
  id: z.string(),
  contextTokens: z.int(),
  nodes: z.int(),
  slots: z.int(),
  tasks: z.array(z.string()),
  promptPerMillionMin: NanoUsd,
  promptPerMillionMax: NanoUsd,
  /** Of input that the node has read before; as of other input unless told. */
  cachedPerMillionMin: NanoUsd.optional(),
  completionPerMillionMin: NanoUsd,
  completionPerMillionMax: NanoUsd,
  decodeTokensPerSecond: z.number(),
  /** Of the quickest node, one request alone. */
  decodeTokensPerSecondSingle: z.number(),
  /** What at least one of its nodes can do beyond plain text. */
  features: z.array(z.string()),
  /** An answer goes on when its node fails, on another with the same weights: some of its nodes take one over. */
  resumes: z.boolean(),
  /** Of the nodes that serve it; absent where nobody told. */
  classes: z.array(NodeClass).optional(),
})
export type LiveModel = z.output<typeof LiveModel>

export function liveModels(
  nodes: Iterable<NodeConnection>,
  classOf: (nodeId: string) => NodeClass = () => 'community',
): Map<string, LiveModel> {
  const models = new Map<string, LiveModel>()
  for (const node of nodes) {
    for (const [id, offer] of node.offers)
      addLive(models, { ...liveOf(id, offer), classes: [classOf(node.nodeId)] })
  }
  return models
}

/** Counts what some nodes do to what others do. */
export function addLive(models: Map<string, LiveModel>, more: LiveModel): void {
  const seen = models.get(more.id)
  models.set(more.id, seen ? together(seen, more) : more)
}

const liveOf = (id: string, { model, price }: Offer): LiveModel => ({
  id,
  contextTokens: model.contextTokens,
  nodes: 1,
  slots: model.slots,
  tasks: [...model.tasks],
  promptPerMillionMin: price.promptPerMillion,
  promptPerMillionMax: price.promptPerMillion,
  cachedPerMillionMin: price.cachedPerMillion ?? price.promptPerMillion,
  completionPerMillionMin: price.completionPerMillion,
  completionPerMillionMax: price.completionPerMillion,
  decodeTokensPerSecond: model.decodeTokensPerSecond,
  decodeTokensPerSecondSingle: model.decodeTokensPerSecondSingle,
  features: [...(model.features ?? [])],
  resumes: model.resumes === true,
})

const together = (a: LiveModel, b: LiveModel): LiveModel => ({
  id: a.id,
  contextTokens: Math.max(a.contextTokens, b.contextTokens),
  nodes: a.nodes + b.nodes,
  slots: a.slots + b.slots,
  tasks: [...new Set([...a.tasks, ...b.tasks])],
  promptPerMillionMin: least(a.promptPerMillionMin, b.promptPerMillionMin),
  promptPerMillionMax: most(a.promptPerMillionMax, b.promptPerMillionMax),
  cachedPerMillionMin: least(
    a.cachedPerMillionMin ?? a.promptPerMillionMin,
    b.cachedPerMillionMin ?? b.promptPerMillionMin,
  ),
  completionPerMillionMin: least(a.completionPerMillionMin, b.completionPerMillionMin),
  completionPerMillionMax: most(a.completionPerMillionMax, b.completionPerMillionMax),
  decodeTokensPerSecond: a.decodeTokensPerSecond + b.decodeTokensPerSecond,
  decodeTokensPerSecondSingle: Math.max(a.decodeTokensPerSecondSingle, b.decodeTokensPerSecondSingle),
  features: [...new Set([...a.features, ...b.features])],
  resumes: a.resumes || b.resumes,
  classes: [...new Set([...(a.classes ?? []), ...(b.classes ?? [])])],
})

const least = (a: NanoUsd, b: NanoUsd): NanoUsd => (b < a ? b : a)
const most = (a: NanoUsd, b: NanoUsd): NanoUsd => (b > a ? b : a)

/** Models with what their nodes ask and do together. */
import type { NanoUsd } from '#kernel/money.ts'
import type { NodeConnection } from './node-connection.ts'

export interface LiveModel {
  readonly id: string
  readonly contextTokens: number
  readonly nodes: number
  readonly slots: number
  readonly tasks: readonly string[]
  readonly promptPerMillionMin: NanoUsd
  readonly promptPerMillionMax: NanoUsd
  readonly completionPerMillionMin: NanoUsd
  readonly completionPerMillionMax: NanoUsd
  readonly decodeTokensPerSecond: number
  /** Of the quickest node, one request alone. */
  readonly decodeTokensPerSecondSingle: number
  /** What at least one of its nodes can do beyond plain text. */
  readonly features: readonly string[]
  /** An answer goes on when its node fails, on another with the same weights: some of its nodes take one over. */
  readonly resumes: boolean
}

export function liveModels(nodes: Iterable<NodeConnection>): Map<string, LiveModel> {
  const models = new Map<string, LiveModel>()
  for (const node of nodes) {
    for (const [id, { model, price }] of node.offers) {
      const seen = models.get(id)
      const { promptPerMillion, completionPerMillion } = price
      models.set(id, {
        id,
        contextTokens: Math.max(seen?.contextTokens ?? 0, model.contextTokens),
        nodes: (seen?.nodes ?? 0) + 1,
        slots: (seen?.slots ?? 0) + model.slots,
        tasks: [...new Set([...(seen?.tasks ?? []), ...model.tasks])],
        promptPerMillionMin: least(seen?.promptPerMillionMin, promptPerMillion),
        promptPerMillionMax: most(seen?.promptPerMillionMax, promptPerMillion),
        completionPerMillionMin: least(seen?.completionPerMillionMin, completionPerMillion),
        completionPerMillionMax: most(seen?.completionPerMillionMax, completionPerMillion),
        decodeTokensPerSecond: (seen?.decodeTokensPerSecond ?? 0) + model.decodeTokensPerSecond,
        decodeTokensPerSecondSingle: Math.max(
          seen?.decodeTokensPerSecondSingle ?? 0,
          model.decodeTokensPerSecondSingle,
        ),
        features: [...new Set([...(seen?.features ?? []), ...(model.features ?? [])])],
        resumes: (seen?.resumes ?? false) || model.resumes === true,
      })
    }
  }
  return models
}

const least = (a: NanoUsd | undefined, b: NanoUsd): NanoUsd => (a === undefined || b < a ? b : a)
const most = (a: NanoUsd | undefined, b: NanoUsd): NanoUsd => (a === undefined || b > a ? b : a)

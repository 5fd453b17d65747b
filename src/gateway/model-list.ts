/** `GET /v1/models`: OpenAI's list, and beside it what this network's models cost, hold and do. */
import type { TimestampMs } from '#kernel/time.ts'
import type { Model } from '#protocol/openai-reply.ts'
import type { LiveModel } from './live-models.ts'

/** Models by id, those of `allowed` alone if it is given. */
export function listedModels(
  models: Iterable<LiveModel>,
  { allowed, nowMs }: { allowed: readonly string[] | undefined; nowMs: TimestampMs },
): Model[] {
  return [...models]
    .filter(({ id }) => !allowed || allowed.includes(id))
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map((model) => ({
      id: model.id,
      object: 'model' as const,
      created: Math.floor(nowMs / 1_000),
      owned_by: 'shoal',
      context_length: model.contextTokens,
      nodes: model.nodes,
      slots: model.slots,
      tasks: [...model.tasks].sort(),
      features: [...model.features].sort(),
      resumes: model.resumes,
      tokens_per_second: Math.round(model.decodeTokensPerSecondSingle * 10) / 10,
      tokens_per_second_all: Math.round(model.decodeTokensPerSecond * 10) / 10,
      pricing: {
        prompt_nano_usd_per_million: model.promptPerMillionMin.toString(),
        completion_nano_usd_per_million: model.completionPerMillionMin.toString(),
        prompt_nano_usd_per_million_max: model.promptPerMillionMax.toString(),
        completion_nano_usd_per_million_max: model.completionPerMillionMax.toString(),
      },
    }))
}

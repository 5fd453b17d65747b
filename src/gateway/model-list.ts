/** `GET /v1/models`: OpenAI's list, and beside it what this network's models cost, hold and do. */
import type { NanoUsd } from '#kernel/money.ts'
import type { TimestampMs } from '#kernel/time.ts'
import { callerFeatures } from '#protocol/engine-features.ts'
import type { FollowedModel } from '#protocol/model-catalogue.ts'
import type { Model } from '#protocol/openai-reply.ts'
import type { LiveModel } from './live-models.ts'

export interface ListOptions {
  /** Models that the caller's key may use; undefined for all. */
  readonly allowed: readonly string[] | undefined
  /** The network's catalogue: what of it no node serves now is listed as `cold`. */
  readonly catalogue?: Iterable<FollowedModel>
  readonly nowMs: TimestampMs
}

/** Models by id, those of `allowed` alone if it is given. */
export function listedModels(
  models: Iterable<LiveModel>,
  { allowed, catalogue = [], nowMs }: ListOptions,
): Model[] {
  const created = Math.floor(nowMs / 1_000)
  const live = [...models].map((model) => listedLive(model, created))
  const ids = new Set(live.map(({ id }) => id))
  const cold = [...catalogue]
    .filter(({ model }) => !ids.has(model))
    .map((model) => listedCold(model, created))
  return [...live, ...cold]
    .filter(({ id }) => !allowed || allowed.includes(id))
    .sort((a, b) => (a.id < b.id ? -1 : 1))
}

const listedLive = (model: LiveModel, created: number): Model => ({
  id: model.id,
  object: 'model' as const,
  created,
  owned_by: 'shoal',
  context_length: model.contextTokens,
  status: 'ready' as const,
  classes: [...(model.classes ?? ['community' as const])].sort(),
  nodes: model.nodes,
  slots: model.slots,
  tasks: [...model.tasks].sort(),
  features: callerFeatures.filter((feature) => model.features.includes(feature)).sort(),
  resumes: model.resumes,
  tokens_per_second: Math.round(model.decodeTokensPerSecondSingle * 10) / 10,
  tokens_per_second_all: Math.round(model.decodeTokensPerSecond * 10) / 10,
  pricing: pricing({
    prompt: [model.promptPerMillionMin, model.promptPerMillionMax],
    cached: model.cachedPerMillionMin ?? model.promptPerMillionMin,
    completion: [model.completionPerMillionMin, model.completionPerMillionMax],
  }),
})

function listedCold(
  { model, contextTokens, minClass, price, priceMax }: FollowedModel,
  created: number,
): Model {
  const quoted = price ?? priceMax
  return {
    id: model,
    object: 'model',
    created,
    owned_by: 'shoal',
    context_length: contextTokens,
    status: 'cold',
    classes: [minClass],
    nodes: 0,
    slots: 0,
    tasks: [],
    features: [],
    resumes: false,
    tokens_per_second: 0,
    tokens_per_second_all: 0,
    pricing:
      quoted &&
      pricing({
        prompt: [quoted.input, priceMax?.input ?? quoted.input],
        cached: quoted.cached,
        completion: [quoted.output, priceMax?.output ?? quoted.output],
      }),
  }
}

const pricing = ({
  prompt: [promptMin, promptMax],
  cached,
  completion: [completionMin, completionMax],
}: Record<'prompt' | 'completion', readonly [NanoUsd, NanoUsd]> & { cached: NanoUsd }): NonNullable<
  Model['pricing']
> => ({
  prompt_nano_usd_per_million: promptMin.toString(),
  cached_prompt_nano_usd_per_million: cached.toString(),
  completion_nano_usd_per_million: completionMin.toString(),
  prompt_nano_usd_per_million_max: promptMax.toString(),
  completion_nano_usd_per_million_max: completionMax.toString(),
})

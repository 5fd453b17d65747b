/** What a model's nodes can do, against what a request needs of them. */
import { type EngineFeature, featuresNeeded, hasFeatures } from '#protocol/engine-features.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import { Problem } from '#protocol/problem.ts'
import type { Offer } from './node-connection.ts'
import { type NodeFacts, noMatch } from './preferences.ts'
import type { RunRequest } from './run-request.ts'

/** The parameter of the chat API by which each is asked for. */
const parameters: Readonly<Record<EngineFeature, string>> = {
  logit_bias: 'logit_bias',
  logprobs: 'logprobs',
  json_object: 'response_format',
  json_schema: 'response_format',
  tools: 'tools',
  tool_choice: 'tool_choice',
  score: 'score',
}

/** Where the OpenAI API takes each kind of work. */
const doors: Readonly<Record<EngineRequest['kind'], string>> = {
  chat: '/v1/chat/completions',
  completion: '/v1/completions',
  embedding: '/v1/embeddings',
}

/**
 * Why none of `seats`, all nodes that serve the model now (to batches, where it is of one), can serve it, or may: at once,
 * for a wait would not help. `null` when one can, or none is here. What a caller wishes is held against those nodes alone that can do what it asks for, or
 * each of two demands would be met by a node and both by none.
 */
export function unfit(
  { engine, preferences, batch }: Pick<RunRequest, 'engine' | 'preferences' | 'batch'>,
  seats: readonly { readonly facts: NodeFacts; readonly offer: Offer }[],
): Problem | null {
  const { kind } = engine
  const model = batch ? `'${engine.model}' to batches` : `'${engine.model}'`
  const takes = ({ offer }: { readonly offer: Offer }): boolean => offer.model.tasks.includes(kind)
  if (!seats.some(takes)) return seats.length === 0 ? null : taskMissing(engine, seats)
  const needed = featuresNeeded(engine)
  if (!preferences && needed.length === 0) return null
  const able = seats.filter(takes)
  const missing = featureMissing(
    engine,
    model,
    able.map(({ offer }) => offer),
  )
  if (missing || !preferences) return missing
  const candidates = able
    .filter(({ offer }) => hasFeatures(engine, offer.model.features))
    .map(({ facts, offer }) => ({ node: facts, offer }))
  const names = [...new Set(needed.map((feature) => parameters[feature]))]
  return noMatch(names.length > 0 ? `${model} with ${names.join(' and ')}` : model, preferences, candidates)
}

/** Its nodes do other work with the model. */
function taskMissing({ kind, model }: EngineRequest, seats: readonly { readonly offer: Offer }[]): Problem {
  const served = new Set<string>(seats.flatMap(({ offer }) => offer.model.tasks))
  const there = Object.entries(doors).flatMap(([task, door]) => (served.has(task) ? [door] : []))
  const next =
    there.length > 0 ? `Ask it at ${there.join(' or ')}, or choose another model` : 'Choose another model'
  return new Problem(
    'model_not_found',
    `This is not ${kind === 'embedding' ? 'an' : 'a'} ${kind} model: no node that serves '${model}' takes ${doors[kind]}. ${next}.`,
    { details: { param: 'model' } },
  )
}

/** Why none of `offers` can serve `request`. `null` when one can, or none is here. */
function featureMissing(request: EngineRequest, model: string, offers: readonly Offer[]): Problem | null {
  const needed = featuresNeeded(request)
  if (needed.length === 0 || offers.length === 0) return null
  if (offers.some(({ model }) => hasFeatures(request, model.features))) return null
  const missing = needed.find((feature) => offers.every(({ model }) => !model.features?.includes(feature)))
  const param = parameters[missing ?? needed[0] ?? 'tools']
  const what =
    missing === undefined ? `${needed.map((name) => parameters[name]).join(' together with ')}` : param
  return new Problem(
    'unsupported_parameter',
    `Unsupported parameter: '${param}' is not supported with this model: no node that serves ${model} can do ${what}.`,
    { details: { param, code: 'unsupported_parameter' } },
  )
}

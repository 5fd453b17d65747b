/** What a model's nodes can do, against what a request needs of them. */
import { type EngineFeature, featuresNeeded, hasFeatures } from '#protocol/engine-features.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import { Problem } from '#protocol/problem.ts'
import type { Offer } from './node-connection.ts'

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

/** Why none of `offers` can serve `request`: at once, for a wait would not help. `null` when one can, or none is here. */
export function featureMissing(request: EngineRequest, offers: readonly Offer[]): Problem | null {
  const needed = featuresNeeded(request)
  if (needed.length === 0 || offers.length === 0) return null
  if (offers.some(({ model }) => hasFeatures(request, model.features))) return null
  const missing = needed.find((feature) => offers.every(({ model }) => !model.features?.includes(feature)))
  const param = parameters[missing ?? needed[0] ?? 'tools']
  const what =
    missing === undefined ? `${needed.map((name) => parameters[name]).join(' together with ')}` : param
  return new Problem(
    'unsupported_parameter',
    `Unsupported parameter: '${param}' is not supported with this model: no node that serves '${request.model}' can do ${what}.`,
    { details: { param, code: 'unsupported_parameter' } },
  )
}

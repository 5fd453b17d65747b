/**
 * What not every engine can do. A node names its own per model; a request goes only where all that it needs is named,
 * so that no engine, and no agent of an earlier version, is ever sent what it would pass over.
 */
import type { EngineRequest } from './engine-request.ts'

export type EngineFeature =
  | 'logit_bias'
  | 'logprobs'
  | 'json_object'
  | 'json_schema'
  | 'tools'
  | 'tool_choice'
  | 'score'

/** What callers may ask for. */
export const callerFeatures = [
  'logit_bias',
  'logprobs',
  'json_object',
  'json_schema',
  'tools',
  'tool_choice',
] as const satisfies readonly EngineFeature[]

/** All of them, for engines that can. */
export const allFeatures: readonly EngineFeature[] = [...callerFeatures, 'score']

/** What an engine must be able to do for `request`; mostly nothing. */
export function featuresNeeded(request: EngineRequest): readonly EngineFeature[] {
  if (request.kind === 'embedding') return none
  const { sampling, topLogprobs, scored } = request
  const isPlainChat =
    request.kind === 'completion' || (!request.format && !request.tools && !hasToolTurns(request.messages))
  if (isPlainChat && !sampling.logitBias && topLogprobs === undefined && !scored) return none
  const needed = new Set<EngineFeature>()
  if (sampling.logitBias) needed.add('logit_bias')
  if (topLogprobs !== undefined) needed.add('logprobs')
  if (scored) needed.add('score')
  if (request.kind === 'completion') return [...needed]
  const { format, tools, messages } = request
  if (format) needed.add(format.type)
  if (tools || hasToolTurns(messages)) needed.add('tools')
  if (tools && tools.choice !== 'auto') needed.add('tool_choice')
  return [...needed]
}

const none: readonly EngineFeature[] = []

type Messages = Extract<EngineRequest, { kind: 'chat' }>['messages']
const hasToolTurns = (messages: Messages): boolean =>
  messages.some(({ role, toolCalls }) => role === 'tool' || toolCalls !== undefined)

/** Whether a model with these features may be asked for `request`. */
export const hasFeatures = (request: EngineRequest, features: readonly string[] = []): boolean =>
  featuresNeeded(request).every((feature) => features.includes(feature))

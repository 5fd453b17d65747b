/** What an answer of a request needs beyond a sampler, brought up to the tokens that another node generated of it. */
import type { Token } from 'node-llama-cpp'
import type { EngineRequest } from '#protocol/engine-request.ts'
import { Problem } from '#protocol/problem.ts'
import { answerGrammar } from './answer-grammar.ts'
import { type Constraint, createConstraint } from './constraint.ts'
import type { LoadedModel } from './llama-model.ts'
import { ToolCallReader } from './tool-call-reader.ts'

export interface AnswerParts {
  readonly constraint: Constraint | null
  readonly reader: ToolCallReader | null
}

interface PartsContext {
  readonly loaded: Pick<LoadedModel, 'model' | 'pieces'>
  readonly resumed: readonly Token[]
}

const none: AnswerParts = { constraint: null, reader: null }

/** Throws a `Problem` for a format or a tool that cannot be held to here. */
export async function answerParts(
  request: Exclude<EngineRequest, { kind: 'embedding' }>,
  { loaded, resumed }: PartsContext,
): Promise<AnswerParts> {
  if (request.kind !== 'chat' || (!request.format && !request.tools)) return none
  const { tools } = request
  const { model, pieces } = loaded
  let constraint: Constraint | null
  try {
    constraint = await createConstraint({ model, pieces, grammar: answerGrammar(request), resumed })
  } catch (error) {
    throw withParam(error, request.format ? 'response_format' : 'tools')
  }
  if (!tools) return { constraint, reader: null }
  const reader = new ToolCallReader(
    tools.list.map(({ name }) => name),
    tools.mayBeParallel ? undefined : 1,
  )
  reader.push(decode(resumed.map((token) => pieces.bytesOf(token))))
  return { constraint, reader }
}

/** A request that is refused says where; what is refused as a whole, by the whole. */
function withParam(error: unknown, param: string): unknown {
  if (!(error instanceof Problem) || error.code !== 'invalid_request' || 'param' in error.details)
    return error
  return new Problem(error.code, error.message, { details: { ...error.details, param }, cause: error })
}

const decode = (chunks: readonly Uint8Array[]): string => Buffer.concat(chunks).toString()

import type { EngineMessage, EngineTool } from '#protocol/engine-request.ts'
import { Problem } from '#protocol/problem.ts'
import type { PromptPart } from './chat-template.ts'

export interface PromptTokenizer<Token extends number> {
  /** With `readsControlTokens`, text that spells a control token becomes it. */
  tokenize(text: string, readsControlTokens: boolean): Token[]
  /** The token that every prompt begins with, or `null`. */
  readonly firstToken: Token | null
  /** A number of tokens that `text` has or exceeds, found without tokenizing it; left out where nobody can say. */
  readonly tokensAtLeast?: (text: string) => number
  /** `null` for a model without a chat template. */
  readonly renderChat:
    | ((messages: readonly EngineMessage[], tools: readonly EngineTool[]) => readonly PromptPart[])
    | null
}

export type PromptInput =
  | {
      readonly messages: readonly EngineMessage[]
      readonly tools?: { list: readonly EngineTool[] } | undefined
    }
  | { readonly prompt: string }

/**
 * The tokens of a request. A completion's prompt may spell control tokens, as everywhere: it is the caller's own.
 * Throws `Problem('invalid_request')` for a chat that the model cannot have, and, where `contextTokens` is given, mostly
 * `Problem('context_length_exceeded')` for a prompt that is far longer: to tokenize it would stop everybody for seconds.
 */
export function tokenizePrompt<Token extends number>(
  input: PromptInput,
  tokenizer: PromptTokenizer<Token>,
  contextTokens = Number.POSITIVE_INFINITY,
): Token[] {
  const parts = partsOf(input, tokenizer)
  const atLeast = parts.reduce((sum, { text }) => sum + (tokenizer.tokensAtLeast?.(text) ?? 0), 0)
  if (atLeast >= contextTokens)
    throw tooLong({ found: `at least ${atLeast}`, contextTokens, param: paramOf(input) })
  const tokens = parts.flatMap((part) => tokenizer.tokenize(part.text, part.isTrusted))
  const first = tokenizer.firstToken
  if (first !== null && tokens[0] !== first) tokens.unshift(first)
  if (tokens.length === 0)
    throw new Problem('invalid_request', `The 'prompt' is empty. Send at least one character.`, {
      details: { param: 'prompt', code: 'empty_string' },
    })
  return tokens
}

/** Where a request has its prompt. */
export const paramOf = (input: PromptInput): string => ('prompt' in input ? 'prompt' : 'messages')

function partsOf<Token extends number>(
  input: PromptInput,
  tokenizer: PromptTokenizer<Token>,
): readonly PromptPart[] {
  if ('prompt' in input) return [{ text: input.prompt, isTrusted: true }]
  if (tokenizer.renderChat === null) {
    throw new Problem(
      'invalid_request',
      'This model has no chat template. Ask it by /v1/completions with a prompt.',
    )
  }
  return tokenizer.renderChat(input.messages, input.tools?.list ?? [])
}

/**
 * How many tokens may be generated; throws `Problem('context_length_exceeded')` when the prompt leaves no room for one.
 * `param` is where the request has its prompt.
 */
export function clipToContext(input: {
  promptTokens: number
  maxTokens: number
  contextTokens: number
  param: string
}): number {
  const { promptTokens, maxTokens, contextTokens, param } = input
  if (promptTokens >= contextTokens) throw tooLong({ found: String(promptTokens), contextTokens, param })
  return Math.min(maxTokens, contextTokens - promptTokens)
}

const tooLong = ({ found, contextTokens, param }: { found: string; contextTokens: number; param: string }) =>
  new Problem(
    'context_length_exceeded',
    `This model's maximum context length is ${contextTokens} tokens, but your '${param}' resulted in ${found} tokens. Reduce the length of the '${param}'.`,
    { details: { param } },
  )

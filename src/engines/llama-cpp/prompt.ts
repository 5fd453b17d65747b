import type { EngineMessage, EngineTool } from '#protocol/engine-request.ts'
import { Problem } from '#protocol/problem.ts'
import type { PromptPart } from './chat-template.ts'

export interface PromptTokenizer<Token extends number> {
  /** With `readsControlTokens`, text that spells a control token becomes it. */
  tokenize(text: string, readsControlTokens: boolean): Token[]
  /** The token that every prompt begins with, or `null`. */
  readonly firstToken: Token | null
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
 * Throws `Problem('invalid_request')` for a chat that the model cannot have.
 */
export function tokenizePrompt<Token extends number>(
  input: PromptInput,
  tokenizer: PromptTokenizer<Token>,
): Token[] {
  const tokens = partsOf(input, tokenizer).flatMap((part) => tokenizer.tokenize(part.text, part.isTrusted))
  const first = tokenizer.firstToken
  if (first !== null && tokens[0] !== first) tokens.unshift(first)
  if (tokens.length === 0)
    throw new Problem('invalid_request', `The 'prompt' is empty. Send at least one character.`, {
      details: { param: 'prompt', code: 'empty_string' },
    })
  return tokens
}

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
  if (promptTokens >= contextTokens) {
    throw new Problem(
      'context_length_exceeded',
      `This model's maximum context length is ${contextTokens} tokens, but your '${param}' resulted in ${promptTokens} tokens. Reduce the length of the '${param}'.`,
      { details: { param } },
    )
  }
  return Math.min(maxTokens, contextTokens - promptTokens)
}

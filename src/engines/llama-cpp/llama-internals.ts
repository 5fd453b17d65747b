/**
 * What node-llama-cpp can do and does not offer: a grammar's state brought up to tokens that were generated before, the
 * logits as the model gave them, a bias on tokens that end a text. Its version is pinned, and the engine's tests hold
 * each of these to what it should do.
 */
import {
  type LlamaContextSequence,
  LlamaGrammarEvaluationState,
  type LlamaModel,
  type Token,
  TokenBias,
} from 'node-llama-cpp'
import { assert } from '#kernel/assert.ts'

interface AddonSampler {
  applyConfig(config: { temperature: number }): void
  dispose(): void
}

interface Bindings {
  readonly AddonSampler: {
    new (model: unknown): AddonSampler
    acceptGrammarEvaluationStateToken(state: unknown, token: number): void
    canBeNextTokenForGrammarEvaluationState(state: unknown, token: number): boolean
  }
}

interface ModelInternals {
  readonly _model: unknown
  readonly _llama: { readonly _bindings: Bindings }
}

interface SequenceInternals {
  readonly _context: {
    readonly _ctx: {
      sampleToken(
        batchIndex: number,
        sampler: AddonSampler,
        wantsProbabilities: boolean,
        wantsConfidence: boolean,
        logits: readonly [
          tokens: readonly number[],
          max: boolean,
          min: boolean,
          selected: boolean,
          top: number,
        ],
        wantsTotalWeight: boolean,
      ): Promise<readonly unknown[]>
    }
  }
  _decodeTokens(...parts: unknown[]): Promise<unknown>
}

const bindingsOf = (model: LlamaModel): Bindings => (model as unknown as ModelInternals)._llama._bindings

/** A grammar's state behind `tokens`. Throws an `Error` where they do not follow the grammar. */
export async function grammarStateAfter(
  model: LlamaModel,
  grammarText: string,
  tokens: readonly Token[],
): Promise<LlamaGrammarEvaluationState> {
  const grammar = await model.llama.createGrammar({ grammar: grammarText })
  const state = new LlamaGrammarEvaluationState({ model, grammar })
  for (const token of tokens) acceptToken(model, state, token)
  return state
}

/** Moves `state` by a token that was not sampled here. */
export function acceptToken(model: LlamaModel, state: LlamaGrammarEvaluationState, token: Token): void {
  const { AddonSampler } = bindingsOf(model)
  const { _state } = state as unknown as { _state: unknown }
  if (!AddonSampler.canBeNextTokenForGrammarEvaluationState(_state, token)) {
    throw new Error(`token ${token} does not follow the grammar`)
  }
  AddonSampler.acceptGrammarEvaluationStateToken(_state, token)
}

/** A bias of logits, also on the tokens that end a text, which the library leaves out. */
export function tokenBias(model: LlamaModel, biases: ReadonlyMap<Token, number>): TokenBias {
  const bias = new TokenBias(model.tokenizer)
  const { _biases } = bias as unknown as { _biases: Map<Token, number> }
  for (const [token, logit] of biases) _biases.set(token, logit)
  return bias
}

export interface RawLogprobs {
  readonly chosen: number
  /** Likeliest first. */
  readonly top: readonly { readonly token: Token; readonly logprob: number }[]
}

export interface LogprobObserver {
  /** Of the token that was sampled last. */
  take(): RawLogprobs
  /** Leaves the sequence as it was. */
  stop(): void
}

/** Where the library's decoding takes what it does with the logits of a token. */
const ON_LOGITS = 5

/**
 * Reads, beside each token that `sequence` samples, what the model itself gave it: before temperature, bias, penalties
 * and grammar, so that the text is the same as without.
 */
export function observeLogprobs(sequence: LlamaContextSequence, topCount: number): LogprobObserver {
  const inner = sequence as unknown as SequenceInternals
  const model = sequence.model as unknown as ModelInternals
  const sampler = new (bindingsOf(sequence.model).AddonSampler)(model._model)
  sampler.applyConfig({ temperature: 0 })
  const decode = inner._decodeTokens
  let last: RawLogprobs | null = null
  inner._decodeTokens = (...parts) => {
    const sample = parts[ON_LOGITS]
    assert(typeof sample === 'function', 'decoding takes what to do with the logits')
    const observed = async (batchIndex: number, ...more: unknown[]): Promise<unknown> => {
      const result: unknown = await sample(batchIndex, ...more)
      const token: unknown = Array.isArray(result) ? result[0] : result
      if (typeof token === 'number' && token >= 0) last = await read(batchIndex, token as Token)
      return result
    }
    return decode.apply(sequence, parts.with(ON_LOGITS, observed))
  }

  async function read(batchIndex: number, token: Token): Promise<RawLogprobs> {
    const wanted = [[token], true, false, false, Math.max(1, topCount)] as const
    const [, , , pairs, weight] = await inner._context._ctx.sampleToken(
      batchIndex,
      sampler,
      false,
      false,
      wanted,
      true,
    )
    return toLogprobs(pairs as readonly number[], { weight: weight as number, token, topCount })
  }

  return {
    take() {
      assert(last !== null, 'a token was sampled')
      return last
    },
    stop() {
      // The method of the class shows again.
      delete (inner as { _decodeTokens?: unknown })._decodeTokens
      sampler.dispose()
    },
  }
}

/** `pairs` are token and logit in turns, in no order; `weight` is the sum of all exponentials over the largest. */
function toLogprobs(
  pairs: readonly number[],
  { weight, token, topCount }: { weight: number; token: Token; topCount: number },
): RawLogprobs {
  const logits = new Map<Token, number>()
  for (let at = 0; at + 1 < pairs.length; at += 2) logits.set(pairs[at] as Token, pairs[at + 1] ?? 0)
  const sorted = [...logits].sort((a, b) => b[1] - a[1] || a[0] - b[0])
  const largest = sorted[0]?.[1] ?? 0
  const logprobOf = (logit: number): number => Math.max(IMPOSSIBLE, logit - largest - Math.log(weight))
  return {
    chosen: logprobOf(logits.get(token) ?? Number.NEGATIVE_INFINITY),
    top: sorted.slice(0, topCount).map(([id, logit]) => ({ token: id, logprob: logprobOf(logit) })),
  }
}

/** What OpenAI's API gives for it. */
const IMPOSSIBLE = -9999

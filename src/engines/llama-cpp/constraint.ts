/**
 * Holds an answer to its grammar. Where tools may be called but need not be, text is free until the mark of a call; from
 * there on the call's own grammar holds. All of it follows from the tokens alone, so that an answer which another node
 * began goes on under the state that it had there.
 */
import type { LlamaGrammarEvaluationState, LlamaModel, Token } from 'node-llama-cpp'
import { Problem } from '#protocol/problem.ts'
import type { AnswerGrammar } from './answer-grammar.ts'
import { acceptToken, grammarStateAfter } from './llama-internals.ts'
import type { TokenPieces } from './token-pieces.ts'
import { CALL_BEGIN, CALL_END } from './tool-format.ts'

export interface Constraint {
  /** Holds for the token that comes next. */
  state(): LlamaGrammarEvaluationState | undefined
  /** A token was generated here; the state moved with it. */
  sampled(token: Token): void
}

interface ConstraintParts {
  readonly model: LlamaModel
  readonly pieces: TokenPieces
  readonly grammar: AnswerGrammar
  readonly resumed: readonly Token[]
}

/** `null` for a free answer. Throws a `Problem` for a grammar that llama.cpp refuses, and for tokens that do not follow it. */
export async function createConstraint(parts: ConstraintParts): Promise<Constraint | null> {
  const { model, grammar, resumed } = parts
  const { whole, call } = grammar
  if (whole !== null) {
    const fresh = await compiled(model, whole)
    replay(model, fresh, resumed)
    return { state: () => fresh, sampled: () => undefined }
  }
  if (call === null) return null
  const marked = new MarkedCalls(parts.pieces, await compiled(model, call))
  for (const token of resumed) {
    const before = marked.state()
    if (before) replay(model, before, [token])
    marked.sampled(token)
  }
  return marked
}

async function compiled(model: LlamaModel, grammar: string): Promise<LlamaGrammarEvaluationState> {
  try {
    return await grammarStateAfter(model, grammar, [])
  } catch (cause) {
    const message =
      'llama.cpp refuses the grammar of this schema: it refers to itself without end, or is too large.'
    throw new Problem('invalid_request', message, { cause, details: { code: 'invalid_json_schema' } })
  }
}

function replay(model: LlamaModel, state: LlamaGrammarEvaluationState, tokens: readonly Token[]): void {
  try {
    for (const token of tokens) acceptToken(model, state, token)
  } catch (cause) {
    throw new Problem('node_failed', 'The answer that another node began does not follow its grammar here.', {
      cause,
    })
  }
}

class MarkedCalls implements Constraint {
  readonly #pieces: TokenPieces
  readonly #fresh: LlamaGrammarEvaluationState
  readonly #decoder = new TextDecoder()
  /** The newest text: outside of a call, long enough for its mark; inside, all of it. */
  #text = ''
  #isInside = false
  #state: LlamaGrammarEvaluationState | undefined

  constructor(pieces: TokenPieces, fresh: LlamaGrammarEvaluationState) {
    this.#pieces = pieces
    this.#fresh = fresh
  }

  state(): LlamaGrammarEvaluationState | undefined {
    return this.#state
  }

  sampled(token: Token): void {
    this.#text += this.#decoder.decode(this.#pieces.bytesOf(token), { stream: true })
    const mark = this.#isInside ? CALL_END : CALL_BEGIN
    const at = this.#text.lastIndexOf(mark)
    if (at < 0) {
      this.#text = this.#text.slice(1 - mark.length)
      return
    }
    this.#text = this.#text.slice(at + mark.length)
    this.#isInside = !this.#isInside
    // A token that goes on behind the mark has begun the call already: its grammar cannot begin in the middle.
    this.#state = this.#isInside && this.#text === '' ? this.#fresh.clone() : undefined
  }
}

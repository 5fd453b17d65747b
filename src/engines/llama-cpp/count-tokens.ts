/** How many tokens of a model an answer has, whatever its node says. */

import type { CountAsk, TokenCount } from '#host/token-counter.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import { Problem } from '#protocol/problem.ts'
import { type PromptTokenizer, tokenizePrompt } from './prompt.ts'
import type { TokenPieces } from './token-pieces.ts'

export interface Vocabulary {
  readonly tokenizer: PromptTokenizer<number>
  readonly pieces: TokenPieces
}

/** Control tokens of an answer have no text. More of them than so many are padding, and count for nothing. */
const SILENT_TOKENS_MAX = 16
/** A model may spell a text otherwise than its tokenizer would: with so many tokens more, and still be believed. */
const OWN_SPELLING_SHARE = 0.1
const OWN_SPELLING_TOKENS = 4

export function countTokens({ request, text, tokenIds }: CountAsk, vocabulary: Vocabulary): TokenCount {
  const promptTokens = request === null ? null : countPrompt(request, vocabulary)
  const plain = vocabulary.tokenizer.tokenize(text, false).length
  if (tokenIds === null) return { promptTokens, completionTokens: plain }
  const spelt = countSpelt(tokenIds, text, vocabulary.pieces)
  const isPlausible = spelt <= plain * (1 + OWN_SPELLING_SHARE) + OWN_SPELLING_TOKENS
  return { promptTokens, completionTokens: isPlausible ? spelt : plain }
}

/** The ids that spell `text`, which may end before they do: at a stop text. More than they are where they do not. */
function countSpelt(ids: readonly number[], text: string, pieces: TokenPieces): number {
  const bytes = Buffer.concat(ids.map((id) => pieces.bytesOf(id)))
  const spelt = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
  const isSpelt = spelt.startsWith(text) || (pieces.hasLeadingSpace && spelt.startsWith(` ${text}`))
  if (!isSpelt) return Number.POSITIVE_INFINITY
  const silent = ids.filter((id) => pieces.bytesOf(id).length === 0).length
  return ids.length - silent + Math.min(silent, SILENT_TOKENS_MAX)
}

function countPrompt(request: EngineRequest, { tokenizer }: Vocabulary): number | null {
  if (request.kind === 'embedding') return null
  try {
    return tokenizePrompt(request, tokenizer).length
  } catch (error) {
    // A chat that this template refuses: nobody can say what it would have had.
    if (error instanceof Problem) return null
    throw error
  }
}

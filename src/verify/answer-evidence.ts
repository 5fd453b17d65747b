/**
 * What the tokens of an answer, or the vectors of texts, say about the model behind them. Each of them either fits or does not; honest nodes have few that do
 * not, whatever they run on, and another model has many. How many, is weighed by the logarithm of a likelihood ratio (a
 * sequential test: evidence adds up over answers). See `docs/concepts/verification.md` for where the figures come from.
 */
import { assert } from '#kernel/assert.ts'
import type { AnswerTest } from '#protocol/answer-audit.ts'

/** A token's log probability, as its node claims it and as another finds it, may differ by so much: in nats. */
const CLAIM_GAP_MAX = 0.5
/** Both find it next to impossible: how much so, hangs on rounding. */
const RARE_LOGPROB = -8
/**
 * Vectors of one text point the same way, by the cosine of the angle between them: of the same weights on other hardware, in other
 * batches, and of another file of what is said to be the same model.
 */
const ALIKE_MIN = 0.99
const ALIKE_MIN_OF_ANOTHER_FILE = 0.9
/** The sampling that was asked for draws no likelier token so rarely. */
const TAIL_MIN = 0.05

interface Odds {
  /** The part of tokens that does not fit, of an honest node at most, and of another model about. */
  readonly honest: number
  readonly other: number
}

/**
 * Honest: the same weights on other hardware have under 0.5 %, weights of 4 bits against 8 some 3 % (`claimed`); of surprising
 * tokens there are at most 5 % by how they are defined, and a little for rounding. A model of half the size has 30 to 60 % and 12 to 25 %.
 */
const odds: Readonly<Record<AnswerTest, Odds>> = {
  claimed: { honest: 0.06, other: 0.3 },
  typical: { honest: 0.065, other: 0.2 },
  compared: { honest: 0.02, other: 0.9 },
}

/** Of another file of what is said to be the same model: its weights may be rounded otherwise. */
const oddsOfAnotherFile: Readonly<Record<AnswerTest, Odds>> = {
  claimed: { honest: 0.2, other: 0.5 },
  typical: { honest: 0.11, other: 0.3 },
  compared: { honest: 0.05, other: 0.9 },
}

/** Neighbouring tokens are alike: so many of them tell as much as one. Texts to embed are not. */
const alike: Readonly<Record<AnswerTest, number>> = { claimed: 2, typical: 2, compared: 1 }

/** Of tokens, or of embedded texts. */
export interface TokenCounts {
  readonly tokens: number
  readonly off: number
}

/** Of claimed log probabilities against found ones, token by token. What is missing at the end does not fit. */
export function compareClaims(claimed: readonly number[], found: readonly number[]): TokenCounts {
  let off = 0
  for (const [index, logprob] of found.entries()) {
    const claim = claimed[index]
    if (claim === undefined || !isNear(claim, logprob)) off++
  }
  return { tokens: found.length, off }
}

const isNear = (a: number, b: number): boolean =>
  Math.abs(a - b) <= CLAIM_GAP_MAX || (a < RARE_LOGPROB && b < RARE_LOGPROB)

/** Of vectors that were `made` against `found` ones, text by text. What is missing, of another length or nothing but zeros does not fit. */
export function compareVectors(
  made: readonly (readonly number[])[],
  found: readonly (readonly number[])[],
  { isSameFile }: { readonly isSameFile: boolean },
): TokenCounts {
  const least = isSameFile ? ALIKE_MIN : ALIKE_MIN_OF_ANOTHER_FILE
  const off = found.reduce(
    (count, vector, index) => count + (cosine(made[index], vector) >= least ? 0 : 1),
    0,
  )
  return { tokens: found.length, off }
}

/** -1 where there is none. */
function cosine(a: readonly number[] | undefined, b: readonly number[]): number {
  if (a?.length !== b.length) return -1
  let [product, ofA, ofB] = [0, 0, 0]
  for (const [index, x] of a.entries()) {
    const y = b[index] ?? 0
    product += x * y
    ofA += x * x
    ofB += y * y
  }
  const both = Math.sqrt(ofA) * Math.sqrt(ofB)
  return both > 0 && Number.isFinite(both) ? product / both : -1
}

/** Of `tails`, see `TokenScores`. */
export function countSurprises(tails: readonly number[]): TokenCounts {
  return { tokens: tails.length, off: tails.reduce((count, tail) => count + (tail < TAIL_MIN ? 1 : 0), 0) }
}

/**
 * For another model where positive, for the claimed one where negative: the logarithm of the likelihood ratio, times 1,000 and
 * rounded towards zero.
 */
export function evidenceMilli(
  test: AnswerTest,
  { tokens, off }: TokenCounts,
  { isSameFile }: { readonly isSameFile: boolean } = { isSameFile: true },
): number {
  assert(off >= 0 && off <= tokens, 'of so many tokens no more can be off')
  const { honest, other } = (isSameFile ? odds : oddsOfAnotherFile)[test]
  const nats = off * Math.log(other / honest) + (tokens - off) * Math.log((1 - other) / (1 - honest))
  return Math.trunc((nats * 1_000) / alike[test]) || 0
}

/** An end that is so unlikely no honest answer of usual length has: in nats. */
const END_LOGPROB_MIN = -9
/** The part of cheats' answers that end where no honest one would. */
const CUT_SHARE = 0.5

/** As `evidenceMilli`, of the end of an answer of so many tokens: whoever stops early saves the rest. 0 where it is no surprise. */
export function endEvidenceMilli(endLogprob: number, tokens: number): number {
  if (endLogprob > END_LOGPROB_MIN) return 0
  // Each of its places could have been an end, and no honest node ends at one of these more often.
  const honest = Math.min(CUT_SHARE, (tokens + 1) * Math.exp(END_LOGPROB_MIN))
  return Math.trunc(Math.log(CUT_SHARE / honest) * 1_000) || 0
}

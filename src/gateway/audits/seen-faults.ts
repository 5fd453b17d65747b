/** What everybody can see of an answer without asking anybody: held against every answer of others' nodes. */
import type { AnswerFault } from '#protocol/answer-audit.ts'
import type { Answered } from './audited-answer.ts'

export interface AnswerFacts {
  readonly request: Answered
  /** `null` where its node did not come to an end. */
  readonly finishReason: 'stop' | 'length' | null
  readonly promptTokens: number
  readonly completionTokens: number
  /** From when it was sent to the node until its first and its last token came; `null` while none did. */
  readonly firstTokenMs: number | null
  readonly lastTokenMs: number | null
}

/** What the node says of itself. */
export interface NodeClaims {
  /** Of the model, one request alone, as it measured itself; 0 where it did not. */
  readonly tokensPerSecond: number
  readonly contextTokens: number
  /** To the network, as it measured it; 0 where it did not. */
  readonly roundTripMs: number
}

export interface SeenFault {
  readonly fault: AnswerFault
  readonly found: string
  readonly expected: string
}

/** A device may do better than on the day when it was measured, but not so many times. */
const SPEED_TIMES_MAX = 4
/** Of fewer tokens the first ones, which an engine may have had ready, are too large a part. */
const TOKENS_TIMED_MIN = 64
/** Lines get better, and clocks tick in milliseconds. */
const ROUND_TRIP_PART = 0.5
const ROUND_TRIP_MS_MIN = 4
/** An engine may keep some of its context to itself. */
const CONTEXT_SPARE = 0.1

export function seenFaults(facts: AnswerFacts, claims: NodeClaims): readonly SeenFault[] {
  return [tooFast(facts, claims), tooSoon(facts, claims), strangeEnd(facts, claims)].filter(
    (fault) => fault !== null,
  )
}

/** The time counts from when it was sent, so that a line that hung and let all through at once is no fault. */
function tooFast(
  { completionTokens, lastTokenMs }: AnswerFacts,
  { tokensPerSecond }: NodeClaims,
): SeenFault | null {
  if (!lastTokenMs || tokensPerSecond <= 0 || completionTokens < TOKENS_TIMED_MIN) return null
  const speed = (completionTokens * 1_000) / lastTokenMs
  const most = tokensPerSecond * SPEED_TIMES_MAX
  if (speed <= most) return null
  return {
    fault: 'too_fast',
    found: `${Math.round(speed)} tokens/s`,
    expected: `at most ${Math.round(most)} tokens/s`,
  }
}

function tooSoon({ firstTokenMs }: AnswerFacts, { roundTripMs }: NodeClaims): SeenFault | null {
  const least = roundTripMs * ROUND_TRIP_PART
  if (firstTokenMs === null || least < ROUND_TRIP_MS_MIN || firstTokenMs >= least) return null
  const found = `a first token after ${Math.round(firstTokenMs)} ms`
  return {
    fault: 'first_token_too_soon',
    found,
    expected: `its round trip takes ${Math.round(roundTripMs)} ms`,
  }
}

/** It says that it reached a limit: the request's, or its context's. */
function strangeEnd(facts: AnswerFacts, { contextTokens }: NodeClaims): SeenFault | null {
  const { request, finishReason, promptTokens, completionTokens } = facts
  if (finishReason !== 'length' || completionTokens >= request.maxTokens) return null
  const before = promptTokens + (request.resumedIds?.length ?? 0)
  if (before + completionTokens >= contextTokens * (1 - CONTEXT_SPARE)) return null
  const found = `ended by length at ${completionTokens} tokens`
  return { fault: 'finish_inconsistent', found, expected: `${request.maxTokens} tokens, or a full context` }
}

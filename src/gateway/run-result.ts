import type { NanoUsd } from '#kernel/money.ts'
import type { StreamEnd } from '#protocol/agent-link.ts'
import type { AnswerSoFar } from './answer-so-far.ts'
import type { Attempt } from './attempt.ts'
import type { RunResult } from './run-request.ts'

/** Known when a request is over. */
export type Known = [cost: NanoUsd, nodeId: string, totalMs: number]
export type ResultOf = (...known: Known) => RunResult

/** What the caller is told at the end: of `attempt`, which brought it, and of what others had delivered before. */
export const resultOfRun =
  (
    attempt: Attempt,
    { finishReason }: StreamEnd,
    { paidBefore, continuations }: AnswerSoFar,
    firstTokenMs: number | null,
  ): ResultOf =>
  (cost, nodeId, totalMs) => ({
    nodeId,
    finishReason,
    promptTokens: attempt.promptTokens,
    cachedPromptTokens: attempt.cachedPromptTokens,
    completionTokens: paidBefore + attempt.payableTokens,
    continuations,
    cost,
    firstTokenMs,
    totalMs,
  })

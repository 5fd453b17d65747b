/** What a node delivered, and how another's opinion of it is asked and weighed. */
import type { NanoUsd } from '#kernel/money.ts'
import type { AnswerTest } from '#protocol/answer-audit.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import type { DataPayload } from '#protocol/frame.ts'
import type { TokenCounts } from '#verify/answer-evidence.ts'
import type { AnswerFacts } from './seen-faults.ts'

export type Vectors = readonly (readonly number[])[]

/** Kept in memory until it was looked at, and nowhere else. */
export interface Audited {
  readonly request: EngineRequest
  /** There is nothing to look at. */
  readonly isEmpty: boolean
  /** By what it can be looked at; `null` where by nothing. */
  readonly test: AnswerTest | null
  /** What another node has to have and is asked. */
  question(requestId: string, finishReason: 'stop' | 'length' | null): Question
  /** What the other's words say of it. */
  judge(said: Said, isSameFile: boolean): TokenCounts & { evidenceMilli: number }
  /** All of it that an opinion is about, for the hash of the evidence. */
  facts(): readonly unknown[]
}

export interface Question {
  readonly request: EngineRequest
  /** More than that no honest node has to say. */
  readonly tokensMax: number
  /** More than that no honest node reads before it: what it says beyond is not paid. */
  readonly promptTokensMax: number
}

export interface Said {
  readonly logprobs: readonly number[]
  readonly tails: readonly number[]
  /** Of an embedding; empty otherwise. */
  readonly vectors: Vectors
  /** What the node read for it, as it says, within what there was to read. */
  readonly readTokens: number
}

/** What is kept of one node's try, and what of it is not for the caller. */
export interface AttemptAudit {
  /** The log probabilities were asked for in secret. */
  readonly hidesLogprobs: boolean
  add(data: DataPayload): void
  addVectors(vectors: Vectors): void
  /** It is over, for what it cost. Once. */
  over(facts: Omit<AnswerFacts, 'request'>, cost: NanoUsd): void
}

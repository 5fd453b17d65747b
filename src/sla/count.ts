/**
 * What a request is to the count, decided from its meter reading alone, so that whoever has the reading comes to the same.
 * `docs/concepts/sla.md` publishes this table.
 */
import type { NanoUsd } from '#kernel/money.ts'
import { type ProblemCode, problemKinds } from '#protocol/problem.ts'
import type { RefusedCount, SlaExemption } from '#protocol/sla.ts'
import type { UsageRecord } from '#protocol/usage.ts'

/** Why a request is neither good nor bad for the network. */
export type NotCounted =
  | SlaExemption
  /** The caller gave it up in time. */
  | 'client_abort'
  /** Its own fault: it was answered 4xx. */
  | 'caller_fault'
  /** Beyond what its key or its share allows: 429. */
  | 'rate_limited'
  /** It cost nothing. */
  | 'unpaid'

export type Counted =
  | { readonly kind: 'good' }
  | { readonly kind: 'error'; readonly problem: string }
  | { readonly kind: 'not_counted'; readonly reason: NotCounted }

/** Of a reading, the facts that count. */
export type CountFacts = Pick<
  UsageRecord,
  'outcome' | 'problem' | 'exempt' | 'firstTokenMs' | 'firstTokenDueMs' | 'totalMs'
>

/** A request that reached a node or waited for one, and what it cost its caller. */
export function countOf(record: CountFacts, cost: NanoUsd): Counted {
  if (record.exempt !== undefined) return notCounted(record.exempt)
  switch (record.outcome) {
    case 'completed':
      return cost > 0n ? { kind: 'good' } : notCounted('unpaid')
    case 'cancelled':
      return isOverdue(record) ? { kind: 'error', problem: 'first_token_late' } : notCounted('client_abort')
    case 'failed':
      return countOfProblem(record.problem ?? 'internal')
  }
}

/** A request that nobody was let in for. */
export const countOfRefusal = ({ problem, exempt }: Pick<RefusedCount, 'problem' | 'exempt'>): Counted =>
  exempt === undefined ? countOfProblem(problem) : notCounted(exempt)

/**
 * The node that an error is held against: of a failure the one that it ended on, of a caller that left as its first token was
 * overdue the one that was asked last. That one stands among the parts, though it delivered nothing.
 */
export function faultNodeIdOf({
  outcome,
  failed = [],
  parts,
}: Pick<UsageRecord, 'outcome' | 'failed' | 'parts'>): string | undefined {
  const failedLast = failed.at(-1)?.nodeId
  return outcome === 'cancelled' ? (parts.at(-1)?.nodeId ?? failedLast) : failedLast
}

/** A request that was refused or failed with this problem. */
export function countOfProblem(code: string): Counted {
  const status = code in problemKinds ? problemKinds[code as ProblemCode].status : 500
  if (status === 429) return notCounted('rate_limited')
  // What the network does not offer is a 501: it was never promised.
  if (status < 500 || status === 501) return notCounted('caller_fault')
  return { kind: 'error', problem: code }
}

/** Its caller waited for as long as is promised at the outside, and nothing came: leaving then is no abort. */
const isOverdue = ({ firstTokenMs, firstTokenDueMs, totalMs }: CountFacts): boolean =>
  firstTokenMs === null && firstTokenDueMs !== undefined && totalMs >= firstTokenDueMs

const notCounted = (reason: NotCounted): Counted => ({ kind: 'not_counted', reason })

/** How long a first token may take before leaving is the network's fault: less would blame it for long prompts. */
export const firstTokenDueMs = (promptTokensMax: number): number => 30_000 + 10 * promptTokensMax

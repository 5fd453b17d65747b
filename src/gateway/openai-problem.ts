import type { Exchange } from '#host/host.ts'
import { type Problem, toOpenAiError } from '#protocol/problem.ts'

/** Answers with OpenAI's error shape, and says when to come back where that may help. */
export function respondProblem(
  exchange: Exchange,
  requestId: string,
  problem: Problem,
  more: Readonly<Record<string, string>> = {},
): void {
  const headers = { 'content-type': 'application/json', 'x-request-id': requestId, ...more }
  const retry = retryHeaders(problem)
  exchange.respond(problem.status, { ...headers, ...retry }, JSON.stringify(toOpenAiError(problem)))
}

/** Longer than this no client waits by itself: OpenAI's own take `retry-after` up to a minute, and else come back at once. */
const RETRY_AFTER_S_MAX = 60

function retryHeaders({ details, retriable }: Problem): Record<string, string> {
  if (details['isNever'] === true) return { 'x-should-retry': 'false' }
  const afterMs = details['retryAfterMs']
  if (typeof afterMs !== 'number') return retriable ? { 'retry-after': '2' } : {}
  const seconds = Math.max(1, Math.ceil(afterMs / 1_000))
  const isLong = seconds > RETRY_AFTER_S_MAX
  return { 'retry-after': String(seconds), ...(isLong && { 'x-should-retry': 'false' }) }
}

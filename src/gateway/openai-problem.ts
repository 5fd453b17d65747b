import type { Exchange } from '#host/host.ts'
import { type Problem, toOpenAiError } from '#protocol/problem.ts'

/** Answers with OpenAI's error shape, and says when to come back where that may help. */
export function respondProblem(exchange: Exchange, requestId: string, problem: Problem): void {
  const headers = { 'content-type': 'application/json', 'x-request-id': requestId }
  const retry = problem.retriable ? { 'retry-after': '2' } : {}
  exchange.respond(problem.status, { ...headers, ...retry }, JSON.stringify(toOpenAiError(problem)))
}

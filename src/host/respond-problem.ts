import { type Problem, toProblemDetails } from '#protocol/problem.ts'
import type { Exchange } from './host.ts'

/** Answers with `problem` as RFC 9457 problem details. */
export function respondProblem(exchange: Pick<Exchange, 'respond'>, problem: Problem): void {
  const headers = { 'content-type': 'application/problem+json' }
  exchange.respond(problem.status, headers, JSON.stringify(toProblemDetails(problem)))
}

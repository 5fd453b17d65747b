import { isOfNetwork } from '#host/blobs/blob-wire.ts'
import { Problem, type ProblemCode, toProblem } from '#protocol/problem.ts'
import { type FailureClass, failureClassOf, type TaskFailure } from '#protocol/task-failure.ts'

const SIGNATURE_MAX = 200
const MESSAGE_MAX = 1_000
const TAIL_MAX = 4_000

/** Nobody's fault, wherever it comes from: the same may succeed elsewhere, or here in a while. */
const passing = new Set<ProblemCode>([
  'network_unreachable',
  'network_timeout',
  'bus_timeout',
  'unavailable',
  'cancelled',
])

/** What the network says that is so wherever the task is tried, until somebody mends it: the job pauses and says it. */
const lasting = new Set<ProblemCode>([
  'storage_limited',
  'not_found',
  'disk_failed',
  'disk_full',
  'disk_read_only',
])

/** An attempt that came to nothing, as it is told. What says whose fault it was is believed. */
export function explainFailure(error: unknown): TaskFailure {
  const problem = toProblem(error)
  const { code, message, details } = problem
  const tail = details['tail']
  return {
    class: classOf(problem),
    signature: `${code}: ${withoutNumbers(message.slice(0, MESSAGE_MAX))}`.slice(0, SIGNATURE_MAX),
    message: message.slice(0, MESSAGE_MAX),
    tail: typeof tail === 'string' ? tail.slice(-TAIL_MAX) : '',
  }
}

/** The node gives the attempt back: it was not begun, or will not be ended. */
export const givenBack = (why: string): TaskFailure => ({
  class: 'infrastructure',
  signature: 'given_back',
  message: `Given back: ${why}.`.slice(0, MESSAGE_MAX),
  tail: '',
})

function classOf(problem: Problem): FailureClass {
  if (problem.details['failureClass'] !== undefined) return failureClassOf(problem)
  if (passing.has(problem.code)) return 'infrastructure'
  // The customer's own room for results is full: it would be on every node.
  if (problem.code === 'storage_limited') return 'task'
  if (!isOfNetwork(problem)) return failureClassOf(problem)
  if (lasting.has(problem.code)) return 'task'
  return problem.retriable ? 'infrastructure' : failureClassOf(problem)
}

/** Frame numbers, hashes and addresses differ from run to run; what is wrong does not. */
const withoutNumbers = (message: string): string =>
  message.replaceAll(/\b(?:0x)?[0-9a-f]*\d[0-9a-f]{0,63}\b/gi, '#')

/** Worth another try by the same node, in a moment. */
export const isPassing = (error: unknown): boolean =>
  error instanceof Problem &&
  error.details['failureClass'] === undefined &&
  error.code !== 'cancelled' &&
  (error.code !== 'disk_full' || isOfNetwork(error)) &&
  error.retriable

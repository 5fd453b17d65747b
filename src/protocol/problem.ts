/**
 * What may go wrong outside the program, as one table: code, HTTP status, whether the same call may succeed later,
 * and OpenAI's error type. RFC 9457 on our own API, OpenAI's shape on `/v1`, exit codes in the CLI: all read it.
 */

interface ProblemKind {
  readonly status: number
  readonly retriable: boolean
  readonly openaiType: string
}
const kind = (status: number, retriable: boolean, openaiType: string): ProblemKind => ({
  status,
  retriable,
  openaiType,
})
const INVALID = 'invalid_request_error'

export const problemKinds = {
  invalid_request: kind(400, false, INVALID),
  invalid_json: kind(400, false, INVALID),
  context_length_exceeded: kind(400, false, INVALID),
  unsupported_parameter: kind(400, false, INVALID),
  invalid_api_key: kind(401, false, INVALID),
  invitation_refused: kind(401, false, INVALID),
  funds_insufficient: kind(402, false, 'insufficient_quota'),
  scope_missing: kind(403, false, 'permission_error'),
  forbidden_origin: kind(403, false, 'permission_error'),
  forbidden_source: kind(403, false, 'permission_error'),
  forbidden_model: kind(403, false, 'permission_error'),
  not_found: kind(404, false, INVALID),
  model_not_found: kind(404, false, INVALID),
  no_matching_node: kind(404, false, INVALID),
  method_not_allowed: kind(405, false, INVALID),
  request_timeout: kind(408, true, 'timeout_error'),
  conflict: kind(409, false, INVALID),
  body_too_large: kind(413, false, INVALID),
  queue_full: kind(429, true, 'rate_limit_error'),
  rate_limited: kind(429, true, 'requests'),
  tokens_limited: kind(429, true, 'tokens'),
  spend_limited: kind(429, false, 'insufficient_quota'),
  cancelled: kind(499, false, INVALID),
  internal: kind(500, true, 'server_error'),
  not_supported: kind(501, false, INVALID),
  node_failed: kind(502, true, 'server_error'),
  overloaded: kind(503, true, 'server_error'),
  model_loading: kind(503, true, 'server_error'),
  no_node_available: kind(503, true, 'server_error'),
  unavailable: kind(503, true, 'server_error'),
  node_timeout: kind(504, true, 'server_error'),
  disk_full: kind(507, true, 'server_error'),
  storage_limited: kind(507, false, 'insufficient_quota'),

  network_unreachable: kind(503, true, 'server_error'),
  network_timeout: kind(504, true, 'server_error'),
  certificate_refused: kind(502, false, 'server_error'),
  bus_timeout: kind(503, true, 'server_error'),
  epoch_stale: kind(503, true, 'server_error'),
  journal_held: kind(503, true, 'server_error'),
  lease_lost: kind(503, true, 'server_error'),
  database_unreachable: kind(503, true, 'server_error'),
  database_unfit: kind(500, false, 'server_error'),

  port_taken: kind(500, false, 'server_error'),
  address_unavailable: kind(500, false, 'server_error'),
  folder_in_use: kind(500, false, 'server_error'),
  journal_corrupt: kind(500, false, 'server_error'),
  journal_newer: kind(500, false, 'server_error'),
  disk_read_only: kind(500, false, 'server_error'),
  disk_failed: kind(500, false, 'server_error'),
  config_invalid: kind(500, false, 'server_error'),
  join_refused: kind(403, false, 'permission_error'),
  model_missing: kind(500, false, 'server_error'),
  model_corrupt: kind(500, false, 'server_error'),
  engine_missing: kind(500, false, 'server_error'),
  engine_failed: kind(502, true, 'server_error'),
} as const satisfies Record<string, ProblemKind>

export type ProblemCode = keyof typeof problemKinds

export type ProblemDetails = Readonly<Record<string, string | number | boolean | null>>

/** The outside world said no. The message is for people and says what was found, what was expected and what to do next. */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly code: ProblemCode
  readonly details: ProblemDetails

  constructor(
    code: ProblemCode,
    message: string,
    options: { details?: ProblemDetails; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.details = options.details ?? {}
  }

  get status(): number {
    return problemKinds[this.code].status
  }

  get retriable(): boolean {
    return problemKinds[this.code].retriable
  }
}

/** `error` itself when it is a problem, else an `internal` one that keeps it as its cause. */
export const toProblem = (error: unknown): Problem =>
  error instanceof Problem
    ? error
    : new Problem('internal', error instanceof Error ? error.message : String(error), { cause: error })

/** The error object of OpenAI's API. */
export const toOpenAiError = (problem: Problem) => ({
  error: {
    message: problem.message,
    type: problemKinds[problem.code].openaiType,
    param: (problem.details['param'] as string | undefined) ?? null,
    code: (problem.details['code'] as string | undefined) ?? problem.code,
  },
})
export type OpenAiError = ReturnType<typeof toOpenAiError>

/** RFC 9457 problem details. */
export const toProblemDetails = (problem: Problem) => ({
  type: `urn:shoal:problem:${problem.code}`,
  title: problem.code.replaceAll('_', ' '),
  status: problem.status,
  detail: problem.message,
  code: problem.code,
  retriable: problem.retriable,
  ...problem.details,
})

/** What a command's exit code says, for scripts. `docs/reference/cli.md` has the same table for people. */
import type { ProblemCode } from '#protocol/problem.ts'

export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  unreachable: 3,
  unauthorised: 4,
  unpaid: 5,
  notFound: 6,
  retriable: 7,
  machine: 8,
  interrupted: 130,
} as const
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

export const exitCodeMeanings = {
  0: 'Done.',
  1: 'The operation failed, or a check found something wrong.',
  2: 'The command line, the configuration or the request is wrong; the message says where.',
  3: 'The network could not be reached, or its certificate is not to be believed.',
  4: 'Not authorised: the key is missing, unknown, or has not the scope.',
  5: 'The balance does not cover it.',
  6: 'What was asked for does not exist.',
  7: 'Not now: the same command may succeed later.',
  8: 'Something on this machine must be put right first: a port, a folder, a disk.',
  130: 'Interrupted.',
} as const satisfies Record<ExitCode, string>

const { failed, usage, unreachable, unauthorised, unpaid, notFound, retriable, machine, interrupted } =
  exitCodes

/** One exit code for every problem there is. */
export const exitCodeOf = {
  invalid_request: usage,
  invalid_json: usage,
  context_length_exceeded: usage,
  unsupported_parameter: usage,
  method_not_allowed: usage,
  body_too_large: usage,
  config_invalid: usage,

  invalid_api_key: unauthorised,
  invitation_refused: unauthorised,
  scope_missing: unauthorised,
  forbidden_origin: unauthorised,
  forbidden_source: unauthorised,
  forbidden_model: unauthorised,
  join_refused: unauthorised,
  funds_insufficient: unpaid,
  spend_limited: unpaid,
  not_found: notFound,
  model_not_found: notFound,
  no_matching_node: notFound,
  model_missing: notFound,
  cancelled: interrupted,

  conflict: failed,
  internal: failed,
  not_supported: failed,

  request_timeout: retriable,
  queue_full: retriable,
  rate_limited: retriable,
  tokens_limited: retriable,
  node_failed: retriable,
  overloaded: retriable,
  model_loading: retriable,
  no_node_available: retriable,
  unavailable: retriable,
  node_timeout: retriable,
  bus_timeout: retriable,
  epoch_stale: retriable,
  engine_failed: retriable,
  journal_held: retriable,
  lease_lost: retriable,
  database_unreachable: retriable,

  network_unreachable: unreachable,
  network_timeout: unreachable,
  certificate_refused: unreachable,

  port_taken: machine,
  address_unavailable: machine,
  folder_in_use: machine,
  journal_corrupt: machine,
  journal_newer: machine,
  disk_full: machine,
  storage_limited: unpaid,
  disk_read_only: machine,
  disk_failed: machine,
  database_unfit: machine,
  model_corrupt: machine,
  engine_missing: machine,
} as const satisfies Record<ProblemCode, ExitCode>

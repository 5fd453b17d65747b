import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from '#kernel/time.ts'

/** What bounds jobs and their tasks. */
export interface WorkLimits {
  readonly tasksMax: number
  /** Jobs of an organisation that are not over. */
  readonly organisationJobsMax: number
  /** A node has the task that it runs and the next one. */
  readonly heldMax: number
  /** A node that owes so many results is given nothing more. */
  readonly owedMax: number
  /** An attempt that its node does not mention for so long is lost. */
  readonly leaseMs: number
  /** After a start of the coordinator nodes have so long to come back, so that a restart never kills work that goes on. */
  readonly graceMs: number
  /** A node that is silent for so long may be gone: what it runs is wanted elsewhere too, what it has not begun is taken back. */
  readonly silentMs: number
  /** Without any progress for so many times the estimate, but at least so long, an attempt may hang. */
  readonly stalledTimes: number
  readonly stalledMsMin: number
  /** What tells of no progress is given up after so many times the high estimate, but at least so long; so for bytes on their way. */
  readonly timeoutTimes: number
  readonly timeoutMsMin: number
  /** Tasks that are run a second time without need, in hundredths of a percent of a job's work; one is allowed to any job. */
  readonly extraBpsMax: number
  readonly copiesMax: number
  /** After so many failures a node gets nothing more of the job, until they are so old. */
  readonly nodeFailuresMax: number
  readonly forgiveMs: number
  /** The same error on so many nodes is the job's own. */
  readonly sameErrorNodes: number
  /** A job that is over stays in memory for so long. */
  readonly keepMs: number
  /** So long does an audit, of which there are many: by then its verdict has fallen. */
  readonly keepAuditMs?: number
  /** Of so many tasks at once is what is kept written down: a turn of some 5 ms, and several a second. */
  readonly forgetTasksMax: number
}

/** How long a job that is over stays in memory. */
export const keepMsOf = (
  { purpose }: { readonly purpose?: string | undefined },
  { keepMs, keepAuditMs = HOUR_MS }: WorkLimits,
): number => (purpose === 'audit' ? Math.min(keepMs, keepAuditMs) : keepMs)

export const workLimits: WorkLimits = {
  tasksMax: 100_000,
  organisationJobsMax: 200,
  heldMax: 2,
  owedMax: 8,
  leaseMs: 15 * SECOND_MS,
  graceMs: 30 * SECOND_MS,
  silentMs: 3 * SECOND_MS,
  stalledTimes: 2.5,
  stalledMsMin: 4 * SECOND_MS,
  timeoutTimes: 10,
  timeoutMsMin: 2 * MINUTE_MS,
  extraBpsMax: 1_000,
  copiesMax: 2,
  nodeFailuresMax: 3,
  forgiveMs: 5 * HOUR_MS,
  sameErrorNodes: 3,
  keepMs: DAY_MS,
  forgetTasksMax: 1_000,
}

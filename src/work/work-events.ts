import { z } from 'zod'
import { NanoUsd } from '#protocol/money.ts'
import { NodeClass } from '#protocol/node-class.ts'
import { OutputFile, TaskParams } from '#protocol/task.ts'
import { TaskFailure } from '#protocol/task-failure.ts'
import { JobSummary, KeptTask } from './job-summary.ts'

export const PlannedTask = z.object({
  params: TaskParams,
  /** On a node of speed 1: as likely more as less, and more in one case of ten. */
  referenceMs: z.int().positive(),
  referenceMsP90: z.int().positive(),
  /** It was measured for the quote: `referenceMs` is what it is charged for, however long its node takes. */
  isPriceFixed: z.boolean().optional(),
})
export type PlannedTask = z.output<typeof PlannedTask>

export const Requirements = z.object({
  /** The engine that it takes. */
  kind: z.string(),
  memoryMib: z.int().nonnegative(),
  /** 0 where no GPU is needed. */
  vramMib: z.int().nonnegative(),
})
export type Requirements = z.output<typeof Requirements>

export const PlannedStep = z.object({
  name: z.string(),
  /** Hash of what the step is: its engine, settings and input roots. With a task's params it is the task's identity. */
  digest: z.string(),
  /** Earlier steps, by their place in the list, all of whose tasks are done before any of this one's begins. */
  dependsOn: z.array(z.int().nonnegative()),
  requirements: Requirements,
  /** Names the folder of its inputs; a node that has it need not fetch `inputBytes`. */
  inputRoot: z.string(),
  inputBytes: z.int().nonnegative(),
  settings: z.record(z.string(), z.json()),
  /**
   * Its tasks take the results of the steps that it depends on: each file as `<step's name>/<file's name>` among their
   * inputs. `inputRoot` may then be empty.
   */
  takesResults: z.boolean().optional(),
  /** No node of these organisations gets any of it: an audit is another owner's. */
  notOfOrganisations: z.array(z.string()).optional(),
  tasks: z.array(PlannedTask).min(1),
})
export type PlannedStep = z.output<typeof PlannedStep>

export const JobPlan = z.object({
  jobId: z.string(),
  organisationId: z.string(),
  name: z.string(),
  /** 0 to 100; the highest is first. */
  priority: z.int().min(0).max(100),
  /** `null`: as much as it takes. */
  cap: NanoUsd.nullable(),
  /** For an hour of a node of speed 1. */
  pricePerHour: NanoUsd,
  /** Running a task twice does no harm, so stragglers may be raced. */
  isIdempotent: z.boolean(),
  /** Results wait for a verdict before they count. */
  isVerified: z.boolean(),
  /** `work` unless said: what a customer asked for. Probes and audits are the network's own, and it pays for them. */
  purpose: z.enum(['work', 'probe', 'audit']).optional(),
  /** Whose results an audit looks at. */
  audits: z.object({ jobId: z.string(), step: z.int(), task: z.int(), fence: z.int() }).optional(),
  /** Which nodes may have it: their class at least. Any where it is not said. */
  minClass: NodeClass.optional(),
  tier: z.enum(['trusted', 'priority', 'economy']).optional(),
  /** The API key that made it: what it costs counts for that key's limits. */
  keyId: z.string().optional(),
  steps: z.array(PlannedStep).min(1),
})
export type JobPlan = z.output<typeof JobPlan>

export const PauseReason = z.enum(['asked', 'same_error', 'no_node_left', 'cap_reached'])
export type PauseReason = z.output<typeof PauseReason>

/** How an attempt ends that did not bring the task's result. */
export const AttemptEnd = z.enum([
  /** Its node was silent for longer than its lease. */
  'lease_expired',
  /** Its node is there, and does not have it. */
  'forgotten',
  /** It ran far beyond what it could take. */
  'timed_out',
  'failed',
  /** Another copy was first. */
  'beaten',
  /** Its job was cancelled, or paused before it began. */
  'called_off',
  /** It waited behind another task while a node had nothing to do. */
  'moved',
])
export type AttemptEnd = z.output<typeof AttemptEnd>

export interface TaskPlace {
  readonly step: number
  readonly task: number
}

const ofTask = { jobId: z.string(), step: z.int().nonnegative(), task: z.int().nonnegative() }
const ofAttempt = { fence: z.int().positive(), atMs: z.int() }
const ofJob = { jobId: z.string(), atMs: z.int() }

export const WorkEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('work.job_submitted'), ...JobPlan.shape, atMs: z.int() }),
  z.object({
    type: z.literal('work.job_paused'),
    ...ofJob,
    reason: PauseReason,
    /** For people: what happened, with the log's tail. */
    detail: z.string(),
  }),
  z.object({ type: z.literal('work.job_resumed'), ...ofJob }),
  z.object({ type: z.literal('work.job_ended'), ...ofJob, end: z.enum(['completed', 'cancelled']) }),
  /**
   * A part of a job that leaves the memory: its tasks from `from` on and before `to`, counted through all steps. `tasks`: of a
   * customer's job, what is kept of them.
   */
  z.object({
    type: z.literal('work.tasks_forgotten'),
    jobId: z.string(),
    from: z.int().nonnegative(),
    to: z.int().positive(),
    tasks: z.array(KeptTask).optional(),
  }),
  /** It leaves the memory. `summary`: of a customer's job, all that is kept of it, but tasks before `from`, which went before. */
  z.object({
    type: z.literal('work.job_forgotten'),
    jobId: z.string(),
    from: z.int().positive().optional(),
    summary: JobSummary.optional(),
    atMs: z.int().optional(),
  }),
  z.object({ type: z.literal('work.priority_set'), ...ofJob, priority: z.int() }),
  z.object({ type: z.literal('work.cap_set'), ...ofJob, cap: NanoUsd.nullable() }),
  /** A task that had failed may be tried again, by any node. */
  z.object({ type: z.literal('work.task_requeued'), ...ofTask, atMs: z.int() }),
  z.object({
    type: z.literal('work.granted'),
    ...ofTask,
    ...ofAttempt,
    nodeId: z.string(),
    /** Of the node, by which its time is turned into reference time. */
    speed: z.number().positive(),
    /** The most that the task may cost, set aside of the job's cap. */
    reserved: NanoUsd,
    /** Another attempt of the same task runs as well. */
    isCopy: z.boolean(),
  }),
  /** A copy of it is wanted. */
  z.object({ type: z.literal('work.suspected'), ...ofAttempt, why: z.enum(['silent', 'stalled']) }),
  /** The node says what it made; the bytes are on their way. */
  z.object({
    type: z.literal('work.committed'),
    ...ofAttempt,
    outputs: z.array(OutputFile),
    referenceMs: z.int().nonnegative(),
    charge: NanoUsd,
  }),
  /** The bytes are here. */
  z.object({ type: z.literal('work.delivered'), ...ofAttempt }),
  /** The task is done, and its charge is owed. */
  z.object({
    type: z.literal('work.accepted'),
    ...ofTask,
    atMs: z.int(),
    /** Somebody looked at this very result. */
    isChecked: z.boolean(),
  }),
  /** A job before made this very task: its result is taken over, and nothing is owed for it. */
  z.object({
    type: z.literal('work.reused'),
    ...ofTask,
    atMs: z.int(),
    nodeId: z.string(),
    outputs: z.array(OutputFile),
    isChecked: z.boolean(),
  }),
  /** The result does not count, and nothing is owed for it. */
  z.object({
    type: z.literal('work.rejected'),
    ...ofTask,
    atMs: z.int(),
    /** Its node did wrong, and not what the result was made from. */
    isBlamed: z.boolean(),
  }),
  /** The node gets nothing of the job any more. */
  z.object({ type: z.literal('work.node_barred'), ...ofJob, nodeId: z.string() }),
  z.object({
    type: z.literal('work.attempt_ended'),
    ...ofAttempt,
    how: AttemptEnd,
    failure: TaskFailure.optional(),
    /** Nobody failed, but its node is not given the task again: it said what it made, and did not send it. */
    isKeptFrom: z.boolean().optional(),
  }),
  /** It is not tried again until somebody asks for it. */
  z.object({ type: z.literal('work.task_failed'), ...ofTask, atMs: z.int() }),
])
export type WorkEvent = z.output<typeof WorkEvent>

/**
 * Jobs as a decider: job → step → task → attempt.
 *
 *   blocked ─→ ready ─→ leased ─→ committed ─→ verifying ─→ done
 *                ↑         │          │            │          │
 *                └─────────┴──────────┴────────────┴──────────┘ lost, failed, rejected
 *   …and from anywhere: failed (until somebody asks for it again), cancelled (with its job).
 *
 * A task waits for the steps that its own depends on. A node gets it under a *fence*, a number that is never given
 * twice; whoever names a fence that is not alive, or another's, is refused. Up to two attempts race; the first to commit
 * (to say by hashes what it made) wins, and the other ends. Once its bytes are here the result is verified where the
 * job asks for that, and only then is the task done and its charge owed: at most one result counts, and one is paid.
 *
 * What nodes are and when they were heard of is not here but on the `Floor`: it is not kept over a restart.
 */
import { assert } from '#kernel/assert.ts'
import type { NanoUsd } from '#kernel/money.ts'
import type { TimestampMs } from '#kernel/time.ts'
import type { OutputFile } from '#protocol/task.ts'
import type { JobPlan, PauseReason, PlannedStep, PlannedTask } from './work-events.ts'

export interface Work {
  readonly jobs: Map<string, Job>
  /** Jobs that are neither paused nor over: by their place in line (`lineOf`), then by age. */
  active: string[]
  readonly attempts: Map<number, Attempt>
  readonly nodes: Map<string, NodeRecord>
  /** Tasks that are done, of jobs in memory, by what they are. */
  readonly results: Map<string, { readonly jobId: string; readonly step: number; readonly task: number }>
  /** The last fence that was given. */
  fence: number
}

export interface Job extends Readonly<Omit<JobPlan, 'priority' | 'cap' | 'steps'>> {
  readonly steps: readonly Step[]
  readonly submittedAtMs: TimestampMs
  priority: number
  cap: NanoUsd | null
  status: 'active' | 'paused' | 'completed' | 'cancelled'
  pause: { readonly reason: PauseReason; readonly detail: string; readonly atMs: TimestampMs } | null
  endedAtMs: TimestampMs | null
  /** Tasks that are not done, and those that a node could be given now. */
  tasksOpen: number
  tasksReady: number
  /** Owed for what is done; set aside for what is under way or waits for its verdict. */
  spent: NanoUsd
  reserved: NanoUsd
  /** By the estimates: all tasks, those that were done for it, and how long the latter took. */
  readonly totalMs: number
  doneMs: number
  measuredMs: number
  /** Work that was done twice without need, and that of copies that run now. */
  extraMs: number
  copiesMs: number
  /** Attempts that are alive, oldest first. */
  readonly fences: Map<number, true>
  readonly failures: Map<string, NodeFailures>
  readonly barred: Map<string, true>
  /** Nodes that had an error, by its signature. */
  readonly errors: Map<string, readonly string[]>
  /** Attempts that were lost, failed or raced, and results that were rejected. */
  redispatched: number
  /** The newest result that counts. */
  last: { readonly step: number; readonly task: number } | null
  /** Nodes that were given something of it, with their time. */
  readonly nodes: Map<string, NodeHours>
}

/** What a node's time was good for, of one job. */
export interface NodeHours {
  /** Its first task was given to it. */
  readonly sinceMs: TimestampMs
  /** The last that was known of it while it had any. */
  untilMs: TimestampMs
  /** Spent in tasks that count. */
  usefulMs: number
}

export interface NodeFailures {
  readonly count: number
  readonly atMs: TimestampMs
}

export interface Step extends Readonly<Omit<PlannedStep, 'tasks'>> {
  readonly tasks: readonly Task[]
  /** Places in `tasks` in the order in which they begin. */
  readonly order: readonly number[]
  /** A heap of places in `order`: what is ready, the next first. */
  readonly ready: number[]
  /** Tasks that run and of which a copy is wanted, the first first. */
  wanted: number[]
  tasksOpen: number
  /** Tasks by their state, and the work that they are by the estimates. */
  readonly counts: Record<TaskState, number>
  readonly workMs: Record<TaskState, number>
  /** Of those done, the ones whose very result somebody looked at. */
  checked: number
}

export type TaskState =
  | 'blocked'
  | 'ready'
  | 'leased'
  | 'committed'
  | 'verifying'
  | 'done'
  | 'failed'
  | 'cancelled'

export interface Task extends Readonly<PlannedTask> {
  /** Its place in the step's order. */
  readonly rank: number
  state: TaskState
  /** Of attempts that are alive: none, one, or two that race. */
  fences: readonly number[]
  reserved: NanoUsd
  /** Nodes that failed it, or whose result was rejected. */
  failedNodes: readonly string[]
  result: Result | null
}

/** What an attempt made; it counts once the task is done. */
export interface Result {
  readonly fence: number
  readonly nodeId: string
  readonly outputs: readonly OutputFile[]
  readonly referenceMs: number
  /** On the node that made it. */
  readonly wallMs: number
  readonly charge: NanoUsd
  isChecked: boolean
}

export interface Attempt {
  readonly fence: number
  readonly jobId: string
  readonly step: number
  readonly task: number
  readonly nodeId: string
  readonly speed: number
  readonly isCopy: boolean
  readonly grantedAtMs: TimestampMs
  /** When the node had nothing else to do first; `null` while it waits behind another. */
  startedAtMs: TimestampMs | null
  committedAtMs: TimestampMs | null
  isSuspected: boolean
}

/** What became of a node's attempts, by which its reliability is judged. */
export interface NodeRecord {
  /** Attempts that it has and has not committed, in the order of their grants: the first runs. */
  held: readonly number[]
  /** Attempts of which it owes the bytes. */
  owed: readonly number[]
  done: number
  lost: number
  failed: number
}

export const emptyWork = (): Work => ({
  jobs: new Map(),
  active: [],
  attempts: new Map(),
  nodes: new Map(),
  results: new Map(),
  fence: 0,
})

export const isOver = ({ status }: Job): boolean => status === 'completed' || status === 'cancelled'

export function jobOf({ jobs }: Pick<Work, 'jobs'>, jobId: string): Job {
  const job = jobs.get(jobId)
  assert(job, `${jobId} was submitted before anything else became of it`)
  return job
}

export function stepOf(job: Job, step: number): Step {
  const found = job.steps[step]
  assert(found, `${job.jobId} has a step ${step}`)
  return found
}

export function taskOf(job: Job, { step, task }: { step: number; task: number }): Task {
  const found = stepOf(job, step).tasks[task]
  assert(found, `${job.jobId} has a task ${task} in step ${step}`)
  return found
}

export function attemptOf({ attempts }: Pick<Work, 'attempts'>, fence: number): Attempt {
  const attempt = attempts.get(fence)
  assert(attempt, `attempt ${fence} is alive`)
  return attempt
}

/** How much longer tasks of this job took than was estimated: 1 before any is done. */
export const paceOf = ({ doneMs, measuredMs }: Pick<Job, 'doneMs' | 'measuredMs'>): number =>
  doneMs > 0 ? Math.max(0.1, measuredMs / doneMs) : 1

/** The node's record, begun where there is none. */
export function nodeRecord({ nodes }: Pick<Work, 'nodes'>, nodeId: string): NodeRecord {
  const found = nodes.get(nodeId)
  if (found) return found
  const record: NodeRecord = { held: [], owed: [], done: 0, lost: 0, failed: 0 }
  nodes.set(nodeId, record)
  return record
}

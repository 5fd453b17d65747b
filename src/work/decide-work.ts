import type { NanoUsd } from '#kernel/money.ts'
import type { TimestampMs } from '#kernel/time.ts'
import type { OutputFile } from '#protocol/task.ts'
import type { TaskFailure } from '#protocol/task-failure.ts'
import { decideAttempt, decideGivingUp } from './decide-attempt.ts'
import { decideJob, decideSubmit } from './decide-job.ts'
import type { Floor } from './floor.ts'
import { decideGrant } from './grant.ts'
import { decideReview } from './review.ts'
import type { Work } from './work.ts'
import type { JobPlan, TaskPlace, WorkEvent } from './work-events.ts'
import type { WorkLimits } from './work-limits.ts'

/** In order of precedence. */
export type WorkRefusal =
  | 'id_taken'
  | 'job_unknown'
  | 'node_unknown'
  | 'tasks_too_many'
  | 'jobs_too_many'
  | 'plan_wrong'
  | 'job_over'
  | 'status_wrong'
  | 'task_unknown'
  | 'task_not_failed'
  | 'nothing_to_judge'
  | 'fence_stale'
  | 'commit_differs'
  | 'not_committed'
  | 'too_early'

export type JobCommand =
  | { kind: 'pause'; jobId: string; nowMs: TimestampMs }
  | { kind: 'resume'; jobId: string; nowMs: TimestampMs }
  | { kind: 'cancel'; jobId: string; nowMs: TimestampMs }
  /** Those that failed are tried again; without `tasks` all of them. */
  | { kind: 'requeue'; jobId: string; tasks: readonly TaskPlace[] | null; nowMs: TimestampMs }
  | { kind: 'set_priority'; jobId: string; priority: number; nowMs: TimestampMs }
  | { kind: 'set_cap'; jobId: string; cap: NanoUsd | null; nowMs: TimestampMs }
  | ({ kind: 'judge'; jobId: string; isGood: boolean; isChecked: boolean; nowMs: TimestampMs } & TaskPlace)
  /** What the node made for the job and nobody looked at does not count, and it gets nothing more of it. */
  | { kind: 'condemn'; jobId: string; nodeId: string; nowMs: TimestampMs }
  | { kind: 'forget'; jobId: string; nowMs: TimestampMs }

/** What a node says of an attempt that it has. */
export type AttemptCommand =
  | {
      kind: 'commit'
      fence: number
      nodeId: string
      outputs: readonly OutputFile[]
      /** How long the work took it, by its own clock. */
      wallMs: number
      nowMs: TimestampMs
    }
  | { kind: 'deliver'; fence: number; nodeId: string; nowMs: TimestampMs }
  | { kind: 'fail'; fence: number; nodeId: string; failure: TaskFailure; nowMs: TimestampMs }

export type WorkCommand =
  | { kind: 'submit'; plan: JobPlan; nowMs: TimestampMs }
  | JobCommand
  | AttemptCommand
  /** The node has room. Answers at most one grant: ask again until there is none. */
  | { kind: 'pull'; nodeId: string; nowMs: TimestampMs }
  /** An attempt that has had its time is taken from its node; while it has time nothing happens. */
  | { kind: 'give_up'; fence: number; nowMs: TimestampMs }
  /** Looks at all that runs: to be sent a few times a second. */
  | { kind: 'review'; nowMs: TimestampMs }

export interface Around {
  readonly work: Work
  readonly floor: Floor
  readonly limits: WorkLimits
}

/** What becomes of `command`: events, none where nothing changes, or why not. */
export function decideWork(command: WorkCommand, around: Around): WorkRefusal | WorkEvent[] {
  const { work, floor, limits } = around
  switch (command.kind) {
    case 'submit':
      return decideSubmit(command, around)
    case 'commit':
    case 'deliver':
    case 'fail':
      return decideAttempt(command, around)
    case 'pull': {
      const node = floor.node(command.nodeId)
      if (!node) return 'node_unknown'
      return decideGrant({ work, floor, node, nowMs: command.nowMs, limits })
    }
    case 'give_up':
      return decideGivingUp(command, around)
    case 'review':
      return decideReview(around, command.nowMs)
    default: {
      const job = work.jobs.get(command.jobId)
      return job ? decideJob(job, command, around) : 'job_unknown'
    }
  }
}

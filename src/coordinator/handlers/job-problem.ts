import type { z } from 'zod'
import { formatUsd, type NanoUsd } from '#kernel/money.ts'
import type { JobStatus } from '#protocol/job.ts'
import { Problem } from '#protocol/problem.ts'
import { TASK_FILES_MAX } from '#protocol/work-link.ts'
import type { WorkLimits } from '#work/work-limits.ts'
import type { RejectRefusal } from '../work/inspection.ts'
import type { DeskRefusal } from '../work/work-desk.ts'
import { notFound } from './handler-parts.ts'
import { taskUnknown } from './job-parts.ts'

/** What a call was about, for the words of its refusal. */
export interface AboutJob {
  readonly jobId: string
  readonly limits: Pick<WorkLimits, 'tasksMax' | 'organisationJobsMax'>
  readonly status?: z.output<typeof JobStatus> | undefined
  /** What would be held. */
  readonly cap?: NanoUsd | null | undefined
  readonly available?: NanoUsd | undefined
}

/** What the caller is told of a refusal. */
export function jobProblem(refusal: DeskRefusal, about: AboutJob): Problem {
  const { jobId, limits } = about
  switch (refusal) {
    case 'job_unknown':
      return notFound('job', jobId)
    case 'tasks_too_many':
      return new Problem(
        'invalid_request',
        `The job has more than ${limits.tasksMax} tasks. Cut it into several, or give each task more to do.`,
      )
    case 'plan_wrong':
      return new Problem(
        'invalid_request',
        'A step depends on itself, on a later one or twice on the same, or two of its tasks are the same. Name earlier steps alone, and give each task parameters of its own.',
      )
    case 'jobs_too_many':
      return new Problem(
        'rate_limited',
        `The organisation has ${limits.organisationJobsMax} jobs that are not over, and may have no more. Wait for one to end, or cancel one: "shoal job cancel".`,
      )
    case 'task_unknown':
      return taskUnknown(jobId)
    case 'funds_insufficient':
      return tooDear(about)
    case 'cap_missing':
      return new Problem('invalid_request', 'A job needs a cap. Take the one of its quote, or give one.')
    case 'files_too_many':
      return new Problem(
        'invalid_request',
        `A step takes the results of more tasks than a task may have files, which is ${TASK_FILES_MAX}. Put a step between that gathers them.`,
      )
    default:
      return new Problem('conflict', conflictOf(refusal, about))
  }
}

type Conflict = Exclude<
  DeskRefusal,
  | 'job_unknown'
  | 'tasks_too_many'
  | 'plan_wrong'
  | 'jobs_too_many'
  | 'task_unknown'
  | 'funds_insufficient'
  | 'cap_missing'
  | 'files_too_many'
>

function conflictOf(refusal: Conflict, { jobId, status }: AboutJob): string {
  const job = `Job ${jobId}`
  switch (refusal) {
    case 'id_taken':
      return `There is a job ${jobId} already.`
    case 'job_over':
      return `${job} is ${status ?? 'over'}, and stays so. Make another of a new quote: what was made is not made again.`
    case 'status_wrong':
      return `${job} is ${status ?? 'in another state'}, and this is not for it now. Look at it: "shoal job show ${jobId}".`
    case 'task_not_failed':
      return `A task that was named has not failed, and only failed ones are tried again. Name no tasks to try all that failed.`
    case 'nothing_to_judge':
      return `${job} has no result there yet that could be looked at. Wait until the task is done.`
    case 'too_early':
      return `${job} ended a short while ago, and is kept.`
    // What nodes say is answered elsewhere.
    case 'node_unknown':
    case 'fence_stale':
    case 'commit_differs':
    case 'not_committed':
      return `The work refused it: ${refusal.replaceAll('_', ' ')}.`
  }
}

/** Why a result is not looked at once more. */
export function rejectProblem(refusal: RejectRefusal, jobId: string): Problem {
  switch (refusal) {
    case 'nothing_to_judge':
      return new Problem(
        'conflict',
        'The task has no result that counts, so there is nothing to reject. Wait until it is done.',
      )
    case 'checked_already':
      return new Problem(
        'conflict',
        'Another owner rendered parts of this very result again, and they were the same. What is wrong with it is in the scene.',
      )
    case 'settled_already':
      return new Problem(
        'conflict',
        `This very result was looked at already, and nobody is asked about it again. What was found: shoal job logs ${jobId}`,
      )
    case 'not_comparable':
      return new Problem(
        'not_supported',
        `Results of this kind cannot be compared with another's. Make another job, or ask the operator; the id of this one is ${jobId}.`,
      )
  }
}

function tooDear({ cap, available }: AboutJob): Problem {
  const wanted = cap === undefined || cap === null ? 'The cap' : `The cap of ${formatUsd(cap)} USD`
  const has = available === undefined ? 'less than that' : `${formatUsd(available)} USD`
  return new Problem(
    'funds_insufficient',
    `${wanted} is held until the job ends, and ${has} of the organisation’s balance is available. Deposit more, or take a lower cap.`,
  )
}

/** What is looked at a few times a second: leases that ended, attempts that seem to hang, jobs that cannot go on. */
import { formatUsd } from '#kernel/money.ts'
import type { TimestampMs } from '#kernel/time.ts'
import type { Around } from './decide-work.ts'
import { decideForgetting } from './forget.ts'
import { fitsCap, mayCopy } from './grant.ts'
import { pauseFor } from './job-steps.ts'
import { costMaxOf, durationMs, hasOthers, isTriedEverywhere } from './placement.ts'
import { type Attempt, type Job, jobOf, taskOf } from './work.ts'
import type { WorkEvent } from './work-events.ts'

export function decideReview(around: Around, nowMs: TimestampMs): WorkEvent[] {
  const { work } = around
  const events: WorkEvent[] = []
  for (const attempt of work.attempts.values()) {
    const event = reviewAttempt(attempt, around, nowMs)
    if (event) events.push(event)
  }
  for (const jobId of work.active) events.push(...reviewJob(jobOf(work, jobId), around, nowMs))
  return [...events, ...decideForgetting(around, nowMs)]
}

function reviewAttempt(attempt: Attempt, around: Around, nowMs: TimestampMs): WorkEvent | null {
  const { work, floor, limits } = around
  const { fence, startedAtMs, committedAtMs, jobId } = attempt
  const ended = (how: 'lease_expired' | 'forgotten' | 'moved'): WorkEvent => ({
    type: 'work.attempt_ended',
    fence,
    how,
    atMs: nowMs,
  })
  const job = jobOf(work, jobId)
  const task = taskOf(job, attempt)
  const lost = (how: 'lease_expired' | 'forgotten'): WorkEvent => ({
    ...ended(how),
    // It may have died, or said what it never made: where there are others, they are tried first.
    ...(committedAtMs !== null && hasOthers(around, { job, attempt, nowMs }) && { isKeptFrom: true }),
  })
  if (nowMs >= floor.leaseEndMs(attempt)) return lost('lease_expired')
  if (floor.isForgotten(attempt)) return lost('forgotten')
  if (committedAtMs !== null) return null
  const isSilent = floor.isSilent(attempt, nowMs)
  // Nobody works on it, and nobody may: another begins it.
  if (startedAtMs === null) return isSilent ? ended('moved') : null
  if (attempt.isSuspected || !mayCopy(job, task, limits)) return null
  if (isSilent) return { type: 'work.suspected', fence, why: 'silent', atMs: nowMs }
  const stillMs = nowMs - floor.stillSinceMs(fence, startedAtMs)
  const patienceMs = Math.max(limits.stalledMsMin, limits.stalledTimes * durationMs(job, task, attempt.speed))
  return stillMs >= patienceMs ? { type: 'work.suspected', fence, why: 'stalled', atMs: nowMs } : null
}

/** A job of which nothing runs and nothing can be begun pauses, and says why. */
function reviewJob(job: Job, around: Around, nowMs: TimestampMs): WorkEvent[] {
  if (job.fences.size > 0 || job.tasksReady === 0) return []
  const next = job.steps.flatMap((step, index) => {
    const place = step.order[step.ready[0] ?? -1]
    const task = place === undefined ? undefined : step.tasks[place]
    return task && place !== undefined ? [{ step: index, place, task }] : []
  })
  const pause = (reason: 'cap_reached' | 'no_node_left', detail: string): WorkEvent[] =>
    pauseFor(around.work, job, { reason, detail, atMs: nowMs })
  const [first] = next
  // What waits for its verdict may turn out cheaper than what is set aside for it.
  if (first && job.cap !== null && job.reserved === 0n && next.every(({ task }) => !fitsCap(job, task))) {
    const cost = costMaxOf(job, first.task)
    return pause(
      'cap_reached',
      `The next task may cost up to ${formatUsd(cost)} USD, and of the cap of ${formatUsd(job.cap)} USD ` +
        `${formatUsd(job.spent)} are spent. Raise the cap to go on.`,
    )
  }
  const isStuck = next.every(({ step, task }) =>
    isTriedEverywhere(around, { job, step, task, lastNodeId: null, nowMs }),
  )
  if (!isStuck) return []
  return pause(
    'no_node_left',
    `Every node that could do the next task has failed it or failed too often. "shoal job logs ${job.jobId}" says why; "shoal job resume ${job.jobId}" tries them again.`,
  )
}

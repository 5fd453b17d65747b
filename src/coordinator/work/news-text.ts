/** What happened to a job, as sentences for people. */
import { formatUsd } from '#kernel/money.ts'
import { formatDuration } from '#kernel/time.ts'
import { nameTask } from '#work/task-name.ts'
import { type Job, taskOf } from '#work/work.ts'
import type { AttemptEnd, TaskPlace, WorkEvent } from '#work/work-events.ts'

/** Of one job, and of one task and node where it is about them. */
export interface Told {
  readonly kind: string
  readonly place: TaskPlace | null
  readonly nodeId: string | null
  readonly text: string
}

/** Where an attempt is, and who has it. */
export interface AttemptPlace extends TaskPlace {
  readonly jobId: string
  readonly nodeId: string
}

const ends: Readonly<Record<Exclude<AttemptEnd, 'failed'>, { kind: string; says: string }>> = {
  lease_expired: { kind: 'lost', says: 'was silent for too long' },
  forgotten: { kind: 'lost', says: 'does not have it any more' },
  timed_out: { kind: 'lost', says: 'took far longer than it could take' },
  beaten: { kind: 'beaten', says: 'was slower than another' },
  called_off: { kind: 'called_off', says: 'was told to stop' },
  moved: { kind: 'moved', says: 'had not begun it, and another takes it over' },
}

const faults = {
  infrastructure: 'It is tried again elsewhere, and counts against nobody.',
  node: 'It goes to another node.',
  task: 'It goes to another node; the same error on several pauses the job.',
} as const

/** What an event of an attempt says; `at` is where the attempt was. */
export function tellAttempt(
  job: Job,
  at: AttemptPlace,
  event: Extract<
    WorkEvent,
    {
      type: 'work.granted' | 'work.suspected' | 'work.committed' | 'work.delivered' | 'work.attempt_ended'
    }
  >,
): Told | null {
  const { nodeId } = at
  const place = { step: at.step, task: at.task }
  const name = nameTask(job, place)
  const told = (kind: string, text: string): Told => ({ kind, place, nodeId, text })
  switch (event.type) {
    case 'work.granted':
      return told(
        'granted',
        `${nodeId} has ${name}${event.isCopy ? ', beside another that has it too' : ''}.`,
      )
    case 'work.suspected':
      return told(
        'suspected',
        `${nodeId} ${event.why === 'silent' ? 'is silent' : 'does not get on'} with ${name}: another may race it.`,
      )
    case 'work.committed':
      return told(
        'committed',
        `${nodeId} made ${name} in ${formatDuration(event.referenceMs)} of reference time; its files are on their way.`,
      )
    case 'work.delivered':
      return job.isVerified ? told('delivered', `The files of ${name} by ${nodeId} are here.`) : null
    case 'work.attempt_ended': {
      const { how, failure } = event
      if (how !== 'failed' && !failure)
        return told(ends[how].kind, `${nodeId} lost ${name}: it ${ends[how].says}.`)
      const tail = failure && failure.tail !== '' ? `\nThe end of its log:\n${failure.tail}` : ''
      const why = failure ? `${failure.message} ${faults[failure.class]}` : 'it did not say why.'
      return told('failed', `${nodeId} failed ${name}: ${why}${tail}`)
    }
  }
}

/** What an event of a job or of a task without its attempt says; `null` where people need not hear of it. */
export function tellJob(job: Job, event: WorkEvent): Told | null {
  const ofJob = (kind: string, text: string): Told => ({ kind, place: null, nodeId: null, text })
  switch (event.type) {
    case 'work.job_submitted': {
      const tasks = event.steps.reduce((sum, step) => sum + step.tasks.length, 0)
      return ofJob('submitted', `The job began: ${tasks} ${tasks === 1 ? 'task' : 'tasks'}.`)
    }
    case 'work.job_paused':
      return ofJob(
        'paused',
        event.reason === 'asked' ? 'Somebody paused the job.' : `The job paused. ${event.detail}`,
      )
    case 'work.job_resumed':
      return ofJob('resumed', 'The job goes on.')
    case 'work.job_ended':
      return event.end === 'completed'
        ? ofJob('completed', `The job is complete, for ${formatUsd(job.spent)} USD.`)
        : ofJob('cancelled', `The job was cancelled; what was done is kept, for ${formatUsd(job.spent)} USD.`)
    case 'work.priority_set':
      return ofJob('priority', `Its priority is ${event.priority} now.`)
    case 'work.cap_set':
      return ofJob('cap', `Its cap is ${event.cap === null ? 'lifted' : `${formatUsd(event.cap)} USD`} now.`)
    case 'work.node_barred':
      return { ...ofJob('barred', `${event.nodeId} gets nothing of the job any more.`), nodeId: event.nodeId }
    case 'work.accepted':
    case 'work.reused':
    case 'work.rejected':
    case 'work.task_failed':
    case 'work.task_requeued':
      return tellTask(job, event)
    default:
      return null
  }
}

type OfTask = Extract<
  WorkEvent,
  { type: 'work.accepted' | 'work.reused' | 'work.rejected' | 'work.task_failed' | 'work.task_requeued' }
>

function tellTask(job: Job, event: OfTask): Told {
  const place = { step: event.step, task: event.task }
  const name = nameTask(job, place)
  const { result } = taskOf(job, place)
  const nodeId = result?.nodeId ?? null
  const told = (kind: string, text: string): Told => ({ kind, place, nodeId, text })
  switch (event.type) {
    case 'work.accepted':
      return told(
        'done',
        `${capital(name)} is done, for ${formatUsd(result?.charge ?? 0n)} USD${event.isChecked ? ', and was checked' : ''}.`,
      )
    case 'work.reused':
      return told('reused', `${capital(name)} was made before; nothing is owed for it.`)
    case 'work.rejected':
      return told('rejected', `The result of ${name} does not count, and it is made again.`)
    case 'work.task_failed':
      return told('gave_up', `${capital(name)} is not tried again until somebody asks for it.`)
    case 'work.task_requeued':
      return told('requeued', `${capital(name)} is tried again.`)
  }
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

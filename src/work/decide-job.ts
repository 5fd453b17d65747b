import { unreachable } from '#kernel/assert.ts'
import { toCanonical } from '#kernel/canonical.ts'
import type { Around, JobCommand, WorkCommand, WorkRefusal } from './decide-work.ts'
import { isOld, lastPart } from './forget.ts'
import { acceptances, endAll, pauseFor } from './job-steps.ts'
import { taskKey } from './task-identity.ts'
import { isOver, type Job, jobOf, type Step, stepOf, taskOf, type Work } from './work.ts'
import type { JobPlan, PlannedStep, TaskPlace, WorkEvent } from './work-events.ts'

export function decideSubmit(
  { plan, nowMs: atMs }: Extract<WorkCommand, { kind: 'submit' }>,
  { work, limits }: Around,
): WorkRefusal | WorkEvent[] {
  if (work.jobs.has(plan.jobId)) return 'id_taken'
  const tasks = plan.steps.reduce((sum, step) => sum + step.tasks.length, 0)
  if (tasks > limits.tasksMax) return 'tasks_too_many'
  const open = [...work.jobs.values()].filter(
    (job) => job.organisationId === plan.organisationId && isWork(job) && !isOver(job),
  )
  if (isWork(plan) && open.length >= limits.organisationJobsMax) return 'jobs_too_many'
  if (!plan.steps.every(isSound)) return 'plan_wrong'
  const submitted: WorkEvent = { type: 'work.job_submitted', ...plan, steps: [...plan.steps], atMs }
  const reused = findResults(work, plan, atMs)
  const { jobId } = plan
  const ended: WorkEvent[] =
    reused.length === tasks ? [{ type: 'work.job_ended', jobId, end: 'completed', atMs }] : []
  return [submitted, ...reused, ...ended]
}

/** What customers asked for; probes and audits are the network's own. */
const isWork = ({ purpose = 'work' }: Pick<JobPlan, 'purpose'>): boolean => purpose === 'work'

/** What an earlier job of the organisation made already; for a job that is verified, only what somebody looked at. */
function findResults(work: Work, plan: JobPlan, atMs: number): WorkEvent[] {
  // An audit asks for another's opinion.
  if (plan.purpose === 'audit') return []
  return plan.steps.flatMap((planned, step) => {
    if (planned.dependsOn.length > 0) return []
    return planned.tasks.flatMap((one, task): WorkEvent[] => {
      const found = work.results.get(taskKey(plan, planned, one))
      const result = found && taskOf(jobOf(work, found.jobId), found).result
      if (!result || (plan.isVerified && !result.isChecked)) return []
      const { nodeId, outputs, isChecked } = result
      return [
        {
          type: 'work.reused',
          jobId: plan.jobId,
          step,
          task,
          atMs,
          nodeId,
          outputs: [...outputs],
          isChecked,
        },
      ]
    })
  })
}

/** Steps depend on earlier ones alone, so that none waits for itself, and no task is there twice. */
const isSound = ({ dependsOn, tasks }: PlannedStep, index: number): boolean =>
  dependsOn.every((before) => before < index) &&
  new Set(dependsOn).size === dependsOn.length &&
  tasks.every(({ referenceMs, referenceMsP90 }) => referenceMs <= referenceMsP90) &&
  new Set(tasks.map(({ params }) => toCanonical(params))).size === tasks.length

export function decideJob(job: Job, command: JobCommand, around: Around): WorkRefusal | WorkEvent[] {
  const { jobId, status } = job
  const { nowMs: atMs } = command
  if (command.kind !== 'forget' && isOver(job)) {
    // Asked for twice, it is cancelled once.
    return command.kind === 'cancel' && status === 'cancelled' ? [] : 'job_over'
  }
  switch (command.kind) {
    case 'pause':
      if (status === 'paused') return []
      return pauseFor(around.work, job, { reason: 'asked', detail: '', atMs })
    case 'resume':
      if (status === 'active') return []
      return [{ type: 'work.job_resumed', jobId, atMs }, ...requeued(job, null, atMs)]
    case 'cancel':
      return decideCancel(job, around, atMs)
    case 'requeue':
      return decideRequeue(job, command.tasks, atMs)
    case 'set_priority': {
      const { priority } = command
      return priority === job.priority ? [] : [{ type: 'work.priority_set', jobId, priority, atMs }]
    }
    case 'set_cap': {
      const { cap } = command
      if (cap === job.cap) return []
      const isFreed = job.pause?.reason === 'cap_reached' && (cap === null || (job.cap ?? cap) < cap)
      const resumed: WorkEvent[] = isFreed ? [{ type: 'work.job_resumed', jobId, atMs }] : []
      return [{ type: 'work.cap_set', jobId, cap, atMs }, ...resumed]
    }
    case 'judge':
      return decideJudgement(job, command, around)
    case 'condemn':
      return decideCondemnation(job, command, around)
    case 'forget':
      if (!isOver(job)) return 'status_wrong'
      if (!isOld(job, around.limits, atMs)) return 'too_early'
      return [lastPart(job, around.floor.forgottenTo(jobId))]
    default:
      return unreachable(command)
  }
}

/** What runs ends at once and is not owed; what was delivered is. */
function decideCancel(job: Job, { work }: Around, atMs: number): WorkEvent[] {
  const { jobId } = job
  const ended = endAll(work, job, { how: 'called_off', atMs, which: () => true })
  const accepted = placesOf(job, ({ state }) => state === 'verifying').map(
    (place): WorkEvent => ({ type: 'work.accepted', jobId, ...place, isChecked: false, atMs }),
  )
  return [...ended, ...accepted, { type: 'work.job_ended', jobId, end: 'cancelled', atMs }]
}

function decideRequeue(
  job: Job,
  tasks: readonly TaskPlace[] | null,
  atMs: number,
): WorkRefusal | WorkEvent[] {
  for (const { step, task } of tasks ?? []) {
    const found = job.steps[step]?.tasks[task]
    if (!found) return 'task_unknown'
    if (found.state !== 'failed') return 'task_not_failed'
  }
  return requeued(job, tasks, atMs)
}

const requeued = (job: Job, tasks: readonly TaskPlace[] | null, atMs: number): WorkEvent[] => {
  const places = tasks ?? placesOf(job, ({ state }) => state === 'failed')
  const once = new Map(places.map(({ step, task }) => [`${step}/${task}`, { step, task }]))
  return [...once.values()].map((place) => ({
    type: 'work.task_requeued',
    jobId: job.jobId,
    ...place,
    atMs,
  }))
}

function decideJudgement(
  job: Job,
  { step, task, isGood, isChecked, nowMs: atMs }: Extract<JobCommand, { kind: 'judge' }>,
  around: Around,
): WorkRefusal | WorkEvent[] {
  const found = job.steps[step]?.tasks[task]
  if (!found) return 'task_unknown'
  if (found.state !== 'verifying' && found.state !== 'done') return 'nothing_to_judge'
  if (!isGood) return rejections(job, [{ step, task }], { around, atMs })
  if (found.state === 'done' && (found.result?.isChecked || !isChecked)) return []
  return acceptances(job, { step, task }, { isChecked, atMs })
}

function decideCondemnation(
  job: Job,
  { nodeId, nowMs: atMs }: Extract<JobCommand, { kind: 'condemn' }>,
  around: Around,
): WorkEvent[] {
  const { work } = around
  const barred: WorkEvent[] = job.barred.has(nodeId)
    ? []
    : [{ type: 'work.node_barred', jobId: job.jobId, nodeId, atMs }]
  const ended = endAll(work, job, { how: 'called_off', atMs, which: (attempt) => attempt.nodeId === nodeId })
  const unchecked = placesOf(
    job,
    ({ state, result }) =>
      (state === 'verifying' || state === 'done') && result?.nodeId === nodeId && !result.isChecked,
  )
  return [...barred, ...ended, ...rejections(job, unchecked, { around, atMs, condemned: nodeId })]
}

/**
 * These results do not count, nor what was made from them. Later steps first, so that each is at rest when those that it
 * builds on open again.
 */
function rejections(
  job: Job,
  places: readonly TaskPlace[],
  { around, atMs, condemned }: { around: Around; atMs: number; condemned?: string },
): WorkEvent[] {
  const { jobId } = job
  const wasDone = places.filter(({ step, task }) => stepOf(job, step).tasks[task]?.state === 'done')
  const tainted = stepsAfter(job, new Set(wasDone.map(({ step }) => step)))
  const keyOf = ({ step, task }: TaskPlace): string => `${step}/${task}`
  const own = new Set(places.map(keyOf))
  const ended = endAll(around.work, job, {
    how: 'called_off',
    atMs,
    // Those of a node that is condemned ended already.
    which: ({ step, nodeId }) => tainted.has(step) && nodeId !== condemned,
  })
  const made = placesOf(job, ({ state }) => state === 'verifying' || state === 'done').filter(
    (place) => tainted.has(place.step) && !own.has(keyOf(place)),
  )
  const rejected = [...made, ...places]
    .toSorted((a, b) => b.step - a.step)
    .map(({ step, task }): WorkEvent => {
      const isBlamed = own.has(keyOf({ step, task }))
      return { type: 'work.rejected', jobId, step, task, isBlamed, atMs }
    })
  return [...ended, ...rejected]
}

/** All steps that build on one of `steps`, in any number of links. */
function stepsAfter(job: Job, steps: ReadonlySet<number>): ReadonlySet<number> {
  const after = new Set<number>()
  for (const [index, { dependsOn }] of job.steps.entries()) {
    if (dependsOn.some((before) => steps.has(before) || after.has(before))) after.add(index)
  }
  return after
}

function placesOf(job: Job, which: (task: Step['tasks'][number]) => boolean): TaskPlace[] {
  return job.steps.flatMap(({ tasks }, step) =>
    tasks.flatMap((one, task) => (which(one) ? [{ step, task }] : [])),
  )
}

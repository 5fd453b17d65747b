/** What became of a job's tasks: `frames`, `requeue`, `why`, `reject`. */
import { Command, Option } from 'commander'
import { Job, JobTask, JobTaskPage, TaskState, TaskWhy } from '#protocol/job.ts'
import { Problem } from '#protocol/problem.ts'
import { wholeNumber } from '../arguments.ts'
import type { CliContext } from '../context.ts'
import { formatNoun } from '../format.ts'
import { parseFrameRanges } from '../render/frame-ranges.ts'
import { runSession, type Session, show, showFields, showNext, showTable } from '../session.ts'
import {
  createJobClient,
  eachTask,
  isJobOver,
  type JobClient,
  type JobFacts,
  type TaskFacts,
} from './job-client.ts'
import { jobFields, taskColumns } from './job-fields.ts'
import { taskName } from './job-words.ts'
import { findTask, partsOf, readAddress } from './task-place.ts'

const JOB_ARGUMENT = 'its id, from `shoal jobs`'

interface FramesOptions {
  readonly failed?: true
  readonly state?: TaskFacts['state']
  readonly limit: number
  readonly before?: string
}

export const framesCommand = (context: CliContext): Command =>
  new Command('frames')
    .description("list a job's frames or other tasks, and what became of each")
    .argument('<job>', JOB_ARGUMENT)
    .addOption(new Option('--failed', 'only those that failed').conflicts('state'))
    .addOption(new Option('--state <state>', 'only such tasks').choices(TaskState.options))
    .option('--limit <count>', 'how many at most', wholeNumber(1, 1_000), 100)
    .option('--before <cursor>', 'go on where a list ended')
    .action((jobId: string, options: FramesOptions, command: Command) =>
      runSession(context, command, async (session) => {
        const jobs = createJobClient(session)
        const { limit, before } = options
        const state = options.failed ? ('failed' as const) : options.state
        const query = { limit, ...(state && { state }), ...(before !== undefined && { before }) }
        const [job, page] = await Promise.all([
          jobs.getJob({ params: { jobId } }),
          jobs.listJobTasks({ params: { jobId }, query }),
        ])
        show(session, JobTaskPage, page, () => {
          const empty = state === undefined ? 'It has no tasks.' : `None of its tasks is ${state}.`
          return showTable(session, taskColumns(job), page.items, empty) + showNext(session, page.next)
        })
      }),
    )

export const requeueCommand = (context: CliContext): Command =>
  new Command('requeue')
    .description('try failed tasks again: all of them, or those of some frames')
    .argument('<job>', JOB_ARGUMENT)
    .argument('[frames]', 'such as 12 or 10-20,33')
    .action((jobId: string, frames: string | undefined, _options: unknown, command: Command) =>
      runSession(context, command, async (session) => {
        const jobs = createJobClient(session)
        const tasks = frames === undefined ? undefined : await tasksOf(jobs, jobId, parseFrameRanges(frames))
        const before = await jobs.getJob({ params: { jobId } })
        const job = await jobs.requeueTasks({ params: { jobId }, body: { ...(tasks && { tasks }) } })
        show(session, Job, job, () => showFields(session, jobFields(job)))
        const again = Math.max(0, failedCount(before) - failedCount(job))
        const waits =
          job.status === 'paused'
            ? `. The job is paused, so nothing is tried before it goes on: shoal job resume ${jobId}`
            : '.'
        context.stderr.write(`Tried again: ${formatNoun(again, 'task')}${waits}\n`)
      }),
    )

const failedCount = ({ steps }: JobFacts): number => steps.reduce((sum, { failed }) => sum + failed, 0)

async function tasksOf(jobs: JobClient, jobId: string, frames: readonly number[]) {
  const wanted = new Set(frames)
  const tasks: { step: number; task: number }[] = []
  for await (const { step, task, params, state } of eachTask(jobs, jobId)) {
    const frame = params['frame']
    if (state === 'failed' && typeof frame === 'number' && wanted.has(frame)) tasks.push({ step, task })
  }
  if (tasks.length > 0) return tasks
  throw new Problem(
    'not_found',
    `None of these frames of ${jobId} failed. See which did: shoal job frames ${jobId} --failed`,
  )
}

export const whyCommand = (context: CliContext): Command =>
  new Command('why')
    .description('say why a frame is where it is, and what keeps nodes from it')
    .argument(
      '<job/frame>',
      'such as job_…/12; for other tasks JOB/STEP/TASK; a job alone: its first task that waits',
    )
    .action((text: string, _options: unknown, command: Command) =>
      runSession(context, command, async (session) => {
        const jobs = createJobClient(session)
        const address = readAddress(text)
        const isNamed = address.frame !== null || address.step !== null
        const { job, task } = isNamed
          ? await findTask(jobs, address)
          : await firstThatWaits(jobs, address.jobId)
        const params = { jobId: job.jobId, step: String(task.step), task: String(task.task) }
        const why = await jobs.whyTask({ params })
        show(session, TaskWhy, why, () => showFields(session, whyFields(session, { job, task, why })))
      }),
    )

async function firstThatWaits(jobs: JobClient, jobId: string): Promise<{ job: JobFacts; task: TaskFacts }> {
  const job = await jobs.getJob({ params: { jobId } })
  for (const state of ['failed', 'ready', 'leased', 'committed', 'verifying', 'blocked'] as const) {
    const { items } = await jobs.listJobTasks({ params: { jobId }, query: { state, limit: 1 } })
    if (items[0]) return { job, task: items[0] }
  }
  throw new Problem('not_found', `Nothing of ${jobId} waits: it is ${job.status}.`)
}

function whyFields(
  _session: Session,
  { job, task, why }: { job: JobFacts; task: TaskFacts; why: TaskWhyFacts },
): [string, string][] {
  // Who may have it matters to nobody once it is over.
  const isOpen = ['blocked', 'ready', 'leased'].includes(why.state)
  const barred = isOpen ? Object.entries(why.barred).filter(([, count]) => count > 0) : []
  return [
    [taskName(job, task), why.sentence],
    ['state', why.state],
    ...(isOpen ? [['nodes', `${why.open} may have it, ${why.busy} of them busy`] as [string, string]] : []),
    ...(why.nodeIds.length === 0 ? [] : [['has it', why.nodeIds.join(', ')] as [string, string]]),
    ...(barred.length === 0
      ? []
      : [
          ['may not', barred.map(([bar, count]) => `${bar.replaceAll('_', ' ')} ${count}`).join(', ')] as [
            string,
            string,
          ],
        ]),
    ...(task.failedNodes.length === 0
      ? []
      : [['failed on', task.failedNodes.join(', ')] as [string, string]]),
  ]
}

type TaskWhyFacts = Awaited<ReturnType<JobClient['whyTask']>>

export const rejectCommand = (context: CliContext): Command =>
  new Command('reject')
    .description('say that a frame is wrong: another owner checks it, and it is rendered again if it is')
    .argument('<job/frame>', 'such as job_…/12; for other tasks JOB/STEP/TASK')
    .requiredOption('-r, --reason <text>', 'what is wrong with it')
    .action((text: string, { reason }: { reason: string }, command: Command) =>
      runSession(context, command, async (session) => {
        const jobs = createJobClient(session)
        const address = readAddress(text)
        if (address.frame === null && address.step === null)
          throw new Problem(
            'invalid_request',
            `'${text}' names a whole job. Name a frame of it, such as ${text}/12.`,
          )
        const { job, task } = await findTask(jobs, address)
        const parts = await partsOf(jobs, job, task)
        if (parts.length === 0) {
          const params = { jobId: job.jobId, step: String(task.step), task: String(task.task) }
          const after = await jobs.rejectTask({ params, body: { reason } })
          show(session, JobTask, after, () => showTable(session, taskColumns(job), [after], ''))
        } else {
          const page = { items: await rejectParts(jobs, { job, task, parts, reason }), next: null }
          show(session, JobTaskPage, page, () => showTable(session, taskColumns(job), page.items, ''))
        }
        const follows = isJobOver(job)
          ? 'The job is over, so nothing is rendered again: if it is wrong, what it cost comes back, as far as the owner of its node still has it.'
          : 'It is rendered again, and not paid, if it is wrong.'
        const what = parts.length === 0 ? 'it' : 'its parts'
        context.stderr.write(
          `Another owner looks at ${what} now. ${follows} What is found: shoal job logs ${job.jobId}\n`,
        )
      }),
    )

/** What is put together is as right as its parts: each that was made and that nobody has looked at. Throws why none can be. */
async function rejectParts(
  jobs: JobClient,
  { job, task, parts, reason }: { job: JobFacts; task: TaskFacts; parts: TaskFacts[]; reason: string },
): Promise<TaskFacts[]> {
  const { jobId } = job
  const rejected: TaskFacts[] = []
  let refusal: unknown = new Problem(
    'conflict',
    `Of ${taskName(job, task)} no part is made yet that nobody has looked at. See them: shoal job frames ${jobId}`,
  )
  for (const { step, task, state, isChecked } of parts) {
    if (isChecked || (state !== 'done' && state !== 'verifying')) continue
    try {
      const params = { jobId, step: String(step), task: String(task) }
      rejected.push(await jobs.rejectTask({ params, body: { reason } }))
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== 'conflict') throw error
      refusal = error
    }
  }
  if (rejected.length === 0) throw refusal
  return rejected
}

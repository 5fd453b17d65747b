/** What is changed about a job: `pause`, `resume`, `cancel`, `cap`, `priority`. */
import { Command } from 'commander'
import { parseUsd } from '#kernel/money.ts'
import { Job } from '#protocol/job.ts'
import { Problem } from '#protocol/problem.ts'
import type { CliContext } from '../context.ts'
import { runSession, show, showFields } from '../session.ts'
import { createJobClient, type JobClient, type JobFacts } from './job-client.ts'
import { jobFields } from './job-fields.ts'

const JOB_ARGUMENT = 'its id, from `shoal jobs`'

export const pauseCommand = (context: CliContext): Command =>
  changeCommand(context, 'pause', 'give out no more of a job; what runs goes on to its end', (jobs, jobId) =>
    jobs.pauseJob({ params: { jobId }, body: {} }),
  )

export const resumeCommand = (context: CliContext): Command =>
  changeCommand(
    context,
    'resume',
    'go on with a paused job; what failed of it is tried again',
    (jobs, jobId) => jobs.resumeJob({ params: { jobId }, body: {} }),
  )

export const cancelJobCommand = (context: CliContext): Command =>
  changeCommand(context, 'cancel', 'end a job; what is done stays, and is paid', (jobs, jobId) =>
    jobs.cancelJob({ params: { jobId }, body: {} }),
  )

export const capCommand = (context: CliContext): Command =>
  changeCommand(
    context,
    'cap',
    'change the most that a job may cost',
    (jobs, jobId, text) => jobs.setJobCap({ params: { jobId }, body: { cap: readCap(text) } }),
    { name: '<usd>', what: 'such as 5 or 0.25' },
  )

export const priorityCommand = (context: CliContext): Command =>
  changeCommand(
    context,
    'priority',
    "change a job's place in line among your own",
    (jobs, jobId, text) => jobs.setJobPriority({ params: { jobId }, body: { priority: readPriority(text) } }),
    { name: '<number>', what: '0 to 100, more is sooner' },
  )

function changeCommand(
  context: CliContext,
  name: string,
  description: string,
  change: (jobs: JobClient, jobId: string, value: string) => Promise<JobFacts>,
  value?: { readonly name: string; readonly what: string },
): Command {
  const command = new Command(name).description(description).argument('<job>', JOB_ARGUMENT)
  if (value) command.argument(value.name, value.what)
  return command.action((jobId: string, ...rest: unknown[]) => {
    const text = value ? String(rest[0]) : ''
    return runSession(context, command, async (session) => {
      const job = await change(createJobClient(session), jobId, text)
      show(session, Job, job, () => showFields(session, jobFields(job)))
    })
  })
}

function readCap(text: string): bigint {
  const cap = parseUsd(text)
  if (cap !== null && cap > 0n) return cap
  throw new Problem(
    'invalid_request',
    `'${text}' is no cap: give an amount in US dollars above zero, such as 5 or 0.25.`,
  )
}

function readPriority(text: string): number {
  const priority = /^\d{1,3}$/.test(text) ? Number(text) : 101
  if (priority <= 100) return priority
  throw new Problem(
    'invalid_request',
    `'${text}' is no priority: give a whole number from 0 to 100, more is sooner.`,
  )
}

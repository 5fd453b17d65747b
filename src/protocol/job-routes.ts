/** Endpoints of quotes and jobs. */
import { z } from 'zod'
import { Id } from './field.ts'
import {
  AskQuote,
  Job,
  JobFilter,
  JobNewsPage,
  JobPage,
  JobTask,
  JobTaskPage,
  NewJob,
  Quote,
  RejectTask,
  RequeueTasks,
  SetCap,
  SetPriority,
  TaskState,
  TaskWhy,
} from './job.ts'
import { pageQuery, queryInt } from './page.ts'
import type { Routes } from './route.ts'
import { organisationQuery } from './route-queries.ts'

/** A question for a quote names every task. */
export const QUOTE_BODY_BYTES_MAX = 8 * 1024 * 1024

const JobParams = z.strictObject({ jobId: Id })
const TaskPlaceParams = z.strictObject({ jobId: Id, step: Id, task: Id })
const Nothing = z.strictObject({}).meta({ id: 'Nothing' })

export const jobRoutes = {
  askQuote: {
    method: 'POST',
    path: '/api/quotes',
    scope: 'developer',
    summary: 'Asks what a job would take: a few of its tasks are run small, at the network’s expense.',
    description:
      'Read the quote until it is `ready`; nothing is held until a job is made of it. It is kept for an hour.',
    body: AskQuote,
    bodyBytesMax: QUOTE_BODY_BYTES_MAX,
    example: {
      name: 'scene.blend',
      steps: [
        {
          name: 'frames',
          kind: 'blender',
          inputRoot: 'a0'.repeat(32),
          settings: { file: 'scene.blend' },
          tasks: [
            { do: 'frame', frame: 1 },
            { do: 'frame', frame: 2 },
          ],
        },
      ],
    },
    reply: Quote,
    status: 201,
  },
  getQuote: {
    method: 'GET',
    path: '/api/quotes/:quoteId',
    scope: 'viewer',
    summary: 'Reads a quote.',
    params: z.strictObject({ quoteId: Id }),
    reply: Quote,
  },
  createJob: {
    method: 'POST',
    path: '/api/jobs',
    scope: 'developer',
    summary: 'Makes a job of a quote: holds its cap and begins.',
    body: NewJob,
    example: { quoteId: 'quote_…', cap: '2000000000' },
    reply: Job,
    status: 201,
  },
  listJobs: {
    method: 'GET',
    path: '/api/jobs',
    scope: 'viewer',
    summary: 'Lists the organisation’s jobs, newest first; for an operator, all jobs.',
    query: z.strictObject({
      ...pageQuery,
      ...organisationQuery,
      status: JobFilter.optional().describe('`open`: those that are active or paused.'),
    }),
    reply: JobPage,
  },
  getJob: {
    method: 'GET',
    path: '/api/jobs/:jobId',
    scope: 'viewer',
    summary: 'Reads a job.',
    params: JobParams,
    reply: Job,
  },
  listJobTasks: {
    method: 'GET',
    path: '/api/jobs/:jobId/tasks',
    scope: 'viewer',
    summary: 'Lists a job’s tasks with what became of each.',
    params: JobParams,
    query: z.strictObject({ ...pageQuery, step: queryInt(0, 1_000).optional(), state: TaskState.optional() }),
    reply: JobTaskPage,
  },
  whyTask: {
    method: 'GET',
    path: '/api/jobs/:jobId/tasks/:step/:task/why',
    scope: 'viewer',
    summary: 'Says why a task is where it is, and what keeps nodes from it.',
    params: TaskPlaceParams,
    reply: TaskWhy,
  },
  followJob: {
    method: 'GET',
    path: '/api/jobs/:jobId/news',
    scope: 'viewer',
    summary: 'Reads what happened to a job; waits for more when there is nothing new.',
    params: JobParams,
    query: z.strictObject({
      after: queryInt(0, Number.MAX_SAFE_INTEGER).optional(),
      waitMs: queryInt(0, 30_000).optional(),
    }),
    reply: JobNewsPage,
  },
  pauseJob: {
    method: 'POST',
    path: '/api/jobs/:jobId/pause',
    scope: 'developer',
    summary: 'Gives out no more of a job; what runs goes on to its end.',
    params: JobParams,
    body: Nothing,
    example: {},
    reply: Job,
  },
  resumeJob: {
    method: 'POST',
    path: '/api/jobs/:jobId/resume',
    scope: 'developer',
    summary: 'Goes on with a paused job.',
    params: JobParams,
    body: Nothing,
    example: {},
    reply: Job,
  },
  cancelJob: {
    method: 'POST',
    path: '/api/jobs/:jobId/cancel',
    scope: 'developer',
    summary: 'Ends a job. What is done stays, and is paid.',
    params: JobParams,
    body: Nothing,
    example: {},
    reply: Job,
  },
  requeueTasks: {
    method: 'POST',
    path: '/api/jobs/:jobId/requeue',
    scope: 'developer',
    summary: 'Tries failed tasks again.',
    params: JobParams,
    body: RequeueTasks,
    example: {},
    reply: Job,
  },
  setJobCap: {
    method: 'POST',
    path: '/api/jobs/:jobId/cap',
    scope: 'developer',
    summary: 'Changes what a job may cost; what runs is finished either way.',
    params: JobParams,
    body: SetCap,
    example: { cap: '5000000000' },
    reply: Job,
  },
  setJobPriority: {
    method: 'POST',
    path: '/api/jobs/:jobId/priority',
    scope: 'developer',
    summary: 'Changes a job’s place in line.',
    params: JobParams,
    body: SetPriority,
    example: { priority: 80 },
    reply: Job,
  },
  rejectTask: {
    method: 'POST',
    path: '/api/jobs/:jobId/tasks/:step/:task/reject',
    scope: 'developer',
    summary:
      'Says that a task’s result is wrong: it is checked by another owner, and rendered again if it is.',
    params: TaskPlaceParams,
    body: RejectTask,
    example: { reason: 'The shadow is missing.' },
    reply: JobTask,
  },
} as const satisfies Routes

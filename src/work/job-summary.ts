/** What is kept of a job that leaves the memory: enough to list it, to read its bill and to fetch what it made. */
import { z } from 'zod'
import { NanoUsd } from '#protocol/money.ts'
import { OutputFile, TaskParams } from '#protocol/task.ts'
import { tasksBetween } from './forget.ts'
import type { Job } from './work.ts'

export const KeptTask = z.object({
  step: z.int().nonnegative(),
  task: z.int().nonnegative(),
  params: TaskParams,
  state: z.enum(['done', 'cancelled']),
  nodeId: z.string().nullable(),
  outputs: z.array(OutputFile),
  referenceMs: z.int().nonnegative().nullable(),
  charge: NanoUsd.nullable(),
  isChecked: z.boolean(),
  failedNodes: z.array(z.string()),
})
export type KeptTask = z.output<typeof KeptTask>

export const KeptStep = z.object({
  name: z.string(),
  kind: z.string(),
  dependsOn: z.array(z.string()),
  tasks: z.int(),
  done: z.int(),
  checked: z.int(),
})

export const JobSummary = z.object({
  organisationId: z.string(),
  name: z.string(),
  tier: z.enum(['trusted', 'priority', 'economy']).optional(),
  status: z.enum(['completed', 'cancelled']),
  priority: z.int(),
  cap: NanoUsd.nullable(),
  pricePerHour: NanoUsd,
  spent: NanoUsd,
  submittedAtMs: z.int(),
  endedAtMs: z.int(),
  /** Of the work, by the estimates, the part that is done. */
  progress: z.number(),
  redispatched: z.int(),
  unverified: z.int(),
  /** Of its nodes' time, and of that what was spent in tasks that count. */
  spanMs: z.number(),
  usefulMs: z.number(),
  lastOutput: OutputFile.nullable(),
  steps: z.array(KeptStep),
  tasks: z.array(KeptTask),
})
export type JobSummary = z.output<typeof JobSummary>

/**
 * Of a job that is over, with its tasks from `from` on. `unverified`: its results whose turn to be checked came and nobody
 * independent was there.
 */
export function summaryOf(job: Job, unverified: number, from = 0): JobSummary {
  const { organisationId, name, tier, priority, cap, pricePerHour, spent, submittedAtMs, redispatched } = job
  const hours = [...job.nodes.values()]
  const doneMs = job.steps.reduce((sum, { workMs }) => sum + workMs.done, 0)
  const last = job.last && job.steps[job.last.step]?.tasks[job.last.task]
  return {
    organisationId,
    name,
    ...(tier && { tier }),
    status: job.status === 'completed' ? 'completed' : 'cancelled',
    priority,
    cap,
    pricePerHour,
    spent,
    submittedAtMs,
    endedAtMs: job.endedAtMs ?? submittedAtMs,
    progress: job.totalMs > 0 ? doneMs / job.totalMs : 1,
    redispatched,
    unverified,
    spanMs: hours.reduce((sum, { sinceMs, untilMs }) => sum + untilMs - sinceMs, 0),
    usefulMs: hours.reduce((sum, { usefulMs }) => sum + usefulMs, 0),
    lastOutput: last?.result?.outputs[0] ?? null,
    steps: job.steps.map(({ name, requirements, dependsOn, tasks, counts, checked }) => ({
      name,
      kind: requirements.kind,
      dependsOn: dependsOn.map((before) => job.steps[before]?.name ?? ''),
      tasks: tasks.length,
      done: counts.done,
      checked,
    })),
    tasks: keptTasks(job, from),
  }
}

export const keptTasks = (job: Job, from: number, to?: number): KeptTask[] =>
  Array.from(tasksBetween(job, from, to), ({ task, at }) => keptTask(task, at))

function keptTask(
  { params, state, result, failedNodes }: Job['steps'][number]['tasks'][number],
  place: { step: number; task: number },
): KeptTask {
  const made = state === 'done' ? result : null
  return {
    ...place,
    params,
    state: state === 'done' ? 'done' : 'cancelled',
    nodeId: made?.nodeId ?? null,
    outputs: [...(made?.outputs ?? [])],
    referenceMs: made?.referenceMs ?? null,
    charge: made?.charge ?? null,
    isChecked: made?.isChecked ?? false,
    failedNodes: [...new Set(failedNodes)],
  }
}

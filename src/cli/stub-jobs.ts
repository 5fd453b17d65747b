/** Jobs of a small network in memory, for the tests of the commands: each look at a job that was begun here finds it further. */
import type { z } from 'zod'
import { NANO_PER_USD } from '#kernel/money.ts'
import type { Job, JobTask, NewStep, Quote } from '#protocol/job.ts'
import type { jobRoutes } from '#protocol/job-routes.ts'
import { Problem } from '#protocol/problem.ts'
import type { Handlers } from '#protocol/route.ts'

type JobFacts = z.output<typeof Job>
type TaskFacts = z.output<typeof JobTask>
type Step = z.output<typeof NewStep>

export interface StubJobs {
  readonly handlers: Handlers<typeof jobRoutes>
  /** What was asked for, oldest first. */
  readonly asked: { readonly name: string; readonly steps: readonly Step[] }[]
  readonly made: { readonly quoteId: string; readonly cap?: bigint | undefined }[]
  readonly jobs: Map<string, JobFacts>
}

export interface StubScript {
  /** Of a job that was begun here: how much of it is done at each look, and in what state it is then. */
  readonly looks?: readonly (Partial<JobFacts> & { readonly progress: number })[]
  readonly quote?: Partial<z.output<typeof Quote>>
  /** The network starts anew so often: once while it measures, once before a job is made. */
  readonly forgets?: number
}

const LOOKS: NonNullable<StubScript['looks']> = [
  { progress: 0 },
  { progress: 0.25 },
  { progress: 0.75 },
  { progress: 1 },
]

export function createStubJobs(
  nowMs: number,
  { looks = LOOKS, quote: quoteParts = {}, forgets = 0 }: StubScript = {},
): StubJobs {
  const asked: StubJobs['asked'] = []
  const made: StubJobs['made'] = []
  const jobs = new Map(storedJobs(nowMs).map((job) => [job.jobId, job]))
  let [seen, quoteLooks, forgotten] = [0, 0, 0]
  const mayForget = (at: number): void => {
    if (forgotten !== at || forgotten >= forgets) return
    forgotten++
    throw new Problem('not_found', 'There is no such quote.')
  }
  const found = (jobId: string): JobFacts => {
    const job = jobs.get(jobId)
    if (job) return job
    throw new Problem('not_found', `There is no job ${jobId}.`)
  }
  const change = (jobId: string, parts: Partial<JobFacts>): JobFacts => {
    const job = { ...found(jobId), ...parts }
    jobs.set(jobId, job)
    return job
  }
  const begun = (): JobFacts => {
    const look = looks[Math.min(seen++, looks.length - 1)] ?? { progress: 1 }
    return { ...jobAt(asked.at(-1)?.steps ?? [], look.progress, nowMs), ...look }
  }
  const quote = (status: 'measuring' | 'ready') => ({
    ...stubQuote(asked.at(-1), status, nowMs),
    ...quoteParts,
  })
  const handlers: Handlers<typeof jobRoutes> = {
    askQuote({ body }) {
      asked.push(body)
      return quote('measuring')
    },
    getQuote() {
      mayForget(0)
      return quote(quoteLooks++ === 0 ? 'measuring' : 'ready')
    },
    createJob({ body }) {
      mayForget(1)
      made.push(body)
      const job = { ...begun(), cap: body.cap ?? stubCap }
      jobs.set(job.jobId, job)
      return job
    },
    listJobs({ query }) {
      const wanted = query?.status
      const isOpen = (status: JobFacts['status']) => status === 'active' || status === 'paused'
      const items = [...jobs.values()]
        .filter(({ status }) =>
          wanted === 'open' ? isOpen(status) : wanted === undefined || status === wanted,
        )
        .toSorted((a, b) => b.submittedAtMs - a.submittedAtMs)
      const from = items.findIndex(({ jobId }) => jobId === query?.before) + 1
      const shown = items.slice(from, from + (query?.limit ?? items.length))
      return { items: shown, next: from + shown.length < items.length ? (shown.at(-1)?.jobId ?? null) : null }
    },
    getJob: ({ params }) =>
      params.jobId === NEW_JOB && made.length > 0 ? change(NEW_JOB, begun()) : found(params.jobId),
    listJobTasks({ params, query }) {
      const items = tasksOf(found(params.jobId), asked.at(-1)?.steps ?? [])
        .filter(({ step }) => query?.step === undefined || step === query.step)
        .filter(({ state }) => query?.state === undefined || state === query.state)
      return { items: items.slice(0, query?.limit), next: null }
    },
    whyTask: () => ({
      state: 'ready',
      sentence: 'It waits: both nodes that may have it are busy with other frames.',
      job: null,
      barred: { memory: 1, failed_it: 1 },
      open: 2,
      busy: 2,
      nodeIds: [],
    }),
    followJob: ({ query }) => ({
      items: query?.after === undefined ? stubNews(nowMs) : [],
      next: 4,
    }),
    pauseJob: ({ params }) =>
      change(params.jobId, { status: 'paused', pause: { reason: 'asked', detail: '', atMs: nowMs } }),
    resumeJob: ({ params }) => change(params.jobId, { status: 'active', pause: null }),
    cancelJob: ({ params }) =>
      change(params.jobId, { status: 'cancelled', endedAtMs: nowMs, etaMs: null, nodes: 0 }),
    requeueTasks({ params }) {
      const { steps } = found(params.jobId)
      return change(params.jobId, {
        steps: steps.map((step) => ({ ...step, ready: step.ready + step.failed, failed: 0 })),
      })
    },
    setJobCap: ({ params, body }) => change(params.jobId, { cap: body.cap }),
    setJobPriority: ({ params, body }) => change(params.jobId, { priority: body.priority }),
    rejectTask({ params }) {
      const task = tasksOf(found(params.jobId), []).find((one) => String(one.task) === params.task)
      if (!task) throw new Problem('not_found', 'There is no such task.')
      return { ...task, state: 'verifying' }
    },
  }
  return { handlers, asked, made, jobs }
}

const NEW_JOB = 'job_new'
const stubCap = 2_400_000n
const nodeIds = ['nod_1', 'nod_2']
export const stubHash = (name: string): string =>
  [...name]
    .map((letter) => letter.charCodeAt(0).toString(16))
    .join('')
    .padStart(64, '0')
    .slice(-64)

const stubQuote = (
  body: StubJobs['asked'][number] | undefined,
  status: 'measuring' | 'ready',
  nowMs: number,
) => ({
  quoteId: 'quote_abcdef',
  name: body?.name ?? '',
  tier: 'priority' as const,
  status,
  reason: null,
  tasks: body?.steps.reduce((sum, { tasks }) => sum + tasks.length, 0) ?? 0,
  previews: (body?.steps[0]?.tasks.slice(0, 3) ?? []).map((params) => ({
    step: 0,
    params,
    file:
      status === 'ready'
        ? { name: 'preview.png', bytes: 100, sha256: stubHash(`preview ${params['frame']}`) }
        : null,
  })),
  referenceSeconds: status === 'ready' ? { p10: 40.2, p50: 46.1, p90: 52.8 } : null,
  wallSeconds: status === 'ready' ? { p10: 21, p50: 24, p90: 31 } : null,
  nodes: 2,
  machines: [
    { speed: 1.42, gpu: 'NVIDIA GeForce RTX 4090', renderScore: 1.5 },
    { speed: 0.213, gpu: null, renderScore: null },
  ],
  price: status === 'ready' ? { p10: 1_120_000n, p50: 1_281_000n, p90: 1_470_000n } : null,
  cap: status === 'ready' ? stubCap : null,
  pricePerHour: NANO_PER_USD / 10n,
  expiresAtMs: nowMs + 3_600_000,
})

function jobAt(steps: readonly Step[], progress: number, nowMs: number): JobFacts {
  const isOver = progress === 1
  return {
    jobId: NEW_JOB,
    organisationId: 'org_1',
    name: 'shot.blend',
    tier: 'priority',
    status: isOver ? 'completed' : 'active',
    pause: null,
    priority: 50,
    cap: stubCap,
    spent: BigInt(Math.round(1_281_000 * progress)),
    reserved: isOver ? 0n : 120_000n,
    held: isOver ? 0n : stubCap,
    pricePerHour: NANO_PER_USD / 10n,
    submittedAtMs: nowMs - 30_000,
    endedAtMs: isOver ? nowMs : null,
    etaMs: isOver ? null : 24_000 * (1 - progress),
    progress,
    nodes: isOver ? 0 : 2,
    redispatched: progress > 0.5 ? 1 : 0,
    unverified: 0,
    efficiency: progress === 0 ? null : 0.957,
    steps: steps.map(({ name, kind, dependsOn, tasks }) => {
      const done = kind === 'ffmpeg' && !isOver ? 0 : Math.floor(tasks.length * progress)
      const rest = tasks.length - done
      const isBlocked = dependsOn.length > 0 && !isOver
      return {
        ...{ name, kind, dependsOn, tasks: tasks.length, done, checked: done > 0 ? 1 : 0 },
        ...{
          ready: isBlocked ? 0 : rest,
          blocked: isBlocked ? rest : 0,
          running: 0,
          verifying: 0,
          failed: 0,
          cancelled: 0,
        },
      }
    }),
    lastOutput: null,
  }
}

/** As many of each step as are done, in their order; then those that failed, run and wait. */
function tasksOf(job: JobFacts, asked: readonly Step[]): TaskFacts[] {
  return job.steps.flatMap((counts, step) => {
    const params =
      asked[step]?.tasks ?? Array.from({ length: counts.tasks }, (_, at) => ({ do: 'frame', frame: at + 1 }))
    return params.map((one, task) => {
      const isDone = task < counts.done
      const isFailed = !isDone && task < counts.done + counts.failed
      const isRun = !isDone && !isFailed && task < counts.done + counts.failed + counts.running
      const state = isDone
        ? 'done'
        : isFailed
          ? 'failed'
          : isRun
            ? 'leased'
            : counts.blocked > 0
              ? 'blocked'
              : 'ready'
      const frame = String(one['frame'] ?? '').padStart(4, '0')
      const name = counts.kind === 'ffmpeg' ? 'video.mp4' : `frame-${frame}.png`
      const nodeId = nodeIds[task % 2] ?? null
      return {
        ...({ step, task, params: one, state } as const),
        attempts: isRun
          ? [{ fence: 7, nodeId: nodeId ?? '', startedAtMs: 0, fraction: 0.4, isCopy: false }]
          : [],
        outputs: isDone ? [{ name, bytes: 4_096, sha256: stubHash(`${job.jobId} ${name}`) }] : [],
        nodeId: isDone ? nodeId : null,
        referenceSeconds: isDone ? 0.96 : null,
        charge: isDone ? 26_700n : null,
        isChecked: isDone && task === 0,
        failedNodes: isFailed ? nodeIds : [],
      }
    })
  })
}

const stubNews = (nowMs: number) => [
  {
    sequence: 1,
    atMs: nowMs - 20_000,
    kind: 'granted',
    step: 0,
    task: 0,
    nodeId: 'nod_1',
    text: 'Frame 1 went to nod_1.',
  },
  {
    sequence: 2,
    atMs: nowMs - 19_000,
    kind: 'done',
    step: 0,
    task: 0,
    nodeId: 'nod_1',
    text: 'Frame 1 is done.',
  },
  {
    ...{ sequence: 3, atMs: nowMs - 15_000, kind: 'failed', step: 0, task: 2, nodeId: 'nod_2' },
    text: 'Frame 3 failed on nod_2: Blender crashed (signal 11).',
  },
]

function storedJobs(nowMs: number): JobFacts[] {
  const step = { name: 'frames', kind: 'blender' as const, dependsOn: [], inputRoot: null }
  const of = (frames: number) =>
    [
      { ...step, tasks: Array.from({ length: frames }, (_, at) => ({ do: 'frame', frame: at + 1 })) },
    ] as unknown as Step[]
  const active = jobAt(of(6), 0.5, nowMs)
  const [frames] = active.steps
  return [
    {
      ...active,
      jobId: 'job_1',
      name: 'forest.blend',
      nodes: 2,
      redispatched: 2,
      unverified: 1,
      steps: frames ? [{ ...frames, failed: 1, running: 1, ready: 1 }] : [],
      lastOutput: { name: 'frame-0003.png', bytes: 4_096, sha256: stubHash('frame 3') },
    },
    {
      ...jobAt(of(48), 0.5, nowMs),
      jobId: 'job_2',
      name: 'harbour.blend',
      status: 'paused',
      pause: { reason: 'cap_reached', detail: 'frame 25 may cost $0.0004', atMs: nowMs - 60_000 },
      nodes: 0,
      etaMs: null,
      submittedAtMs: nowMs - 3_600_000,
    },
    { ...jobAt(of(1), 1, nowMs), jobId: 'job_3', name: 'still.blend', submittedAtMs: nowMs - 7_200_000 },
  ]
}

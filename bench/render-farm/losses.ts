/** A farm that loses a worker or its coordinator when half of a job is done: what comes of the frames, and how soon. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { assert } from '#kernel/assert.ts'
import {
  awaitEnd,
  coordinatorPid,
  deliveredMs,
  type Farm,
  type JobFacts,
  madeBy,
  type News,
  newsOf,
  readJob,
  submit,
  type TaskFacts,
  tasksOf,
} from './farm.ts'
import { isThere, type Scene, WORKERS, withFarm } from './passes.ts'

export const lossKinds = ['agent', 'stop', 'coordinator'] as const
export type LossKind = (typeof lossKinds)[number]

export interface LossResult {
  readonly kind: LossKind
  readonly wallMs: number
  /** From the loss on: until what the lost worker ran is given to another; for a coordinator, until the next answers. */
  readonly recoveryMs: number
  /** The most that it may take. */
  readonly recoveryMsMax: number
  /** Work left ÷ workers alive, over time, by what the frames took in these very workers; `null` where none was lost for good. */
  readonly idealMs: number | null
  /** The same by what they take in a bare Blender before and after, at the pace that the machine has then. */
  readonly idealBareMs: number | null
  readonly frames: number
  /** What the network told in the seconds after it, each with its milliseconds. */
  readonly told: readonly string[]
  /** Results that counted, beyond one for each frame, or missing. */
  readonly wrong: number
}

const HALF = 0.5
const AGENT_RECOVERY_MS = 2_000
const COORDINATOR_RECOVERY_MS = 3_000
const STOP_MS_MIN = 5_000
const STOP_TIMES = 3
const TOLD_MS = 60_000

export const loseOne = (kind: LossKind, scene: Scene): Promise<Facts> =>
  withFarm(false, async (farm) => {
    const { root, frames } = scene
    const { jobId } = await submit(farm, join(root, 'scene.blend'), `1-${frames}`)
    let lost: Lost | null = null
    const onJob = async (now: JobFacts): Promise<void> => {
      if (lost === null && now.progress >= HALF) lost = await lose(farm, kind, now)
    }
    const job = await awaitEnd(farm, jobId, { isJudged: false, onJob })
    assert(lost !== null, 'the loss came before the end')
    const after = await look(farm, job)
    if (kind === 'stop') farm.second.signal('SIGCONT')
    return { kind, job, lost, frames, ...after }
  })

export interface Lost {
  readonly atMs: number
  /** The worker that is lost, or is to stay. */
  readonly nodeId: string
  readonly held: readonly TaskFacts[]
  readonly doneBefore: number
  /** Until the network answers again. */
  readonly awayMs: number
}

async function lose(farm: Farm, kind: LossKind, job: JobFacts): Promise<Lost> {
  const tasks = await tasksOf(farm, job.jobId)
  const secondId = await nodeIdOf(farm, tasks)
  const held = tasks.filter(({ attempts }) => attempts.some(({ nodeId }) => nodeId === secondId))
  assert(kind === 'coordinator' || held.length > 0, 'the worker that is lost has something to lose')
  const doneBefore = tasks.filter(({ state }) => state === 'done').length
  const atMs = Date.now()
  if (kind === 'agent') farm.second.signal('SIGKILL')
  else if (kind === 'stop') farm.second.signal('SIGSTOP')
  else process.kill(coordinatorPid(farm), 'SIGKILL')
  while (kind === 'coordinator') {
    const now = await readJob(farm, job.jobId)
    if (now !== null && Date.now() > atMs + 50) {
      assert(now.progress >= job.progress - 0.02, `nothing is lost: ${job.progress} was ${now.progress}`)
      break
    }
    await sleep(20)
  }
  return { atMs, nodeId: secondId, held, doneBefore, awayMs: Date.now() - atMs }
}

async function nodeIdOf(farm: Farm, tasks: readonly TaskFacts[]): Promise<string> {
  const { items } = await farm.network.operator.listNodes({ query: {} })
  const second = items.find(({ name }) => name === 'second')
  assert(second, `the second worker is a node; ${tasks.length} tasks`)
  return second.nodeId
}

const look = async (farm: Farm, job: JobFacts) => ({
  wallMs: await deliveredMs(farm, job),
  renderCpuMs: [...new Map(madeBy(farm, job.jobId).map(({ task, cpuMs }) => [task, cpuMs])).values()].reduce(
    (sum, ms) => sum + ms,
    0,
  ),
  tasks: await tasksOf(farm, job.jobId),
  news: await newsOf(farm, job.jobId),
})

/** What a farm's loss left to be read. */
export interface Facts {
  readonly kind: LossKind
  readonly job: JobFacts
  readonly wallMs: number
  /** Of the frames that count, in the workers’ Blenders. */
  readonly renderCpuMs: number
  readonly lost: Lost
  readonly frames: number
  readonly tasks: readonly TaskFacts[]
  readonly news: readonly News[]
}

/** `besideTimes`: what a bare Blender takes beside another, of what it takes alone. */
export function report(
  { kind, job, wallMs, renderCpuMs, lost, frames, tasks, news }: Facts,
  { bareMs: wholeMs, besideTimes }: { bareMs: number; besideTimes: number },
): LossResult {
  const untilLossMs = lost.atMs - job.submittedAtMs
  // By processor time: what a worker waits, for its coordinator as for a core, is no work.
  const ideal = (workMs: number, times: number): number | null =>
    kind === 'agent' ? untilLossMs + Math.max(0, workMs - WORKERS * untilLossMs) / times : null
  const wrong = tasks.filter((task) => !isThere(task)).length
  return {
    kind,
    wallMs,
    recoveryMs: kind === 'coordinator' ? resumedMs(lost, news) : givenAgainMs(lost, news),
    recoveryMsMax:
      kind === 'agent'
        ? AGENT_RECOVERY_MS
        : kind === 'coordinator'
          ? COORDINATOR_RECOVERY_MS
          : Math.max(STOP_MS_MIN, (STOP_TIMES * wholeMs) / frames),
    idealMs: ideal(renderCpuMs, 1),
    // Who is left has the cores to itself, and is as fast as a Blender alone.
    idealBareMs: ideal(wholeMs, Math.max(1, besideTimes)),
    frames,
    told: news.flatMap(({ atMs, text }) => {
      const sinceMs = atMs - lost.atMs
      return sinceMs >= -1_000 && sinceMs <= TOLD_MS ? [`${sinceMs} ms: ${text}`] : []
    }),
    wrong: wrong + Math.abs(tasks.length - frames),
  }
}

/** When the last of what the worker ran was given to another. */
function givenAgainMs({ atMs, nodeId, held }: Lost, news: readonly News[]): number {
  const given = held.map(({ step, task }) => {
    const next = news.find(
      (one) => one.kind === 'granted' && one.step === step && one.task === task && one.atMs >= atMs,
    )
    if (next !== undefined) return next.atMs - atMs
    const isItsOwn = news.some(
      (one) => one.kind === 'committed' && one.step === step && one.task === task && one.nodeId === nodeId,
    )
    // Its node had made it by then after all; else nobody ever had it again.
    return isItsOwn ? 0 : Number.POSITIVE_INFINITY
  })
  return Math.max(0, ...given)
}

/** When something moved on again after the network was back. */
function resumedMs({ atMs, awayMs }: Lost, news: readonly News[]): number {
  const next = news.find(({ kind, atMs: at }) => at > atMs && ['granted', 'committed', 'done'].includes(kind))
  return Math.max(awayMs, next === undefined ? Number.POSITIVE_INFINITY : next.atMs - atMs)
}

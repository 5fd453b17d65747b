/** The same frames by a farm, by one bare Blender that stays, and by one Blender for each frame. */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openEngine, runTask } from '#engines/blender/test-blender.ts'
import { assert } from '#kernel/assert.ts'
import { type Spread, spread } from '../parts/spread.ts'
import {
  awaitEnd,
  cpuNow,
  deadTimes,
  deliveredMs,
  type Farm,
  madeBy,
  startFarm,
  submit,
  type TaskFacts,
  tasksOf,
} from './farm.ts'

export const WORKERS = 2
/** How many frames one Blender for each gets to show what it is like. */
const APART_FRAMES = 6

export interface Scene {
  /** Folder, with `scene.blend` in it. */
  readonly root: string
  readonly frames: number
  /** For what the passes write. */
  readonly folder: string
}

export interface FarmPass {
  /** Of the job, from its beginning until its last frame is delivered. */
  readonly wallMs: number
  /** Until the last verdict has fallen too; `null` where there is no auditor. */
  readonly judgedMs: number | null
  readonly renderMs: number
  /** Of all frames in the workers’ Blenders: more than in a bare one where two threads share a core. */
  readonly renderCpuMs: number
  /** Of all other processes of the network and its workers meanwhile. */
  readonly ownCpuMs: Readonly<Record<string, number>>
  /** Of the machine, by whatever is not ours. */
  readonly strangeCpuMs: number
  readonly deadMs: Spread
  readonly checked: number
  readonly unverified: number
  readonly charge: string
  readonly redispatched: number
}

export async function withFarm<T>(hasAuditor: boolean, run: (farm: Farm) => Promise<T>): Promise<T> {
  const farm = await startFarm({ hasAuditor })
  try {
    return await run(farm)
  } finally {
    await farm.close()
  }
}

export const renderOnFarm = (
  { root, frames }: Scene,
  { hasAuditor }: { hasAuditor: boolean },
): Promise<FarmPass> =>
  withFarm(hasAuditor, async (farm) => {
    const { jobId } = await submit(farm, join(root, 'scene.blend'), `1-${frames}`)
    const before = cpuNow(farm)
    const job = await awaitEnd(farm, jobId, { isJudged: hasAuditor })
    const after = cpuNow(farm)
    const ownCpuMs = Object.fromEntries(
      Object.entries(after.own).map(([name, ms]) => [name, ms - (before.own[name] ?? 0)]),
    )
    const made = madeBy(farm, jobId)
    const renderCpuMs = made.reduce((sum, { cpuMs }) => sum + cpuMs, 0)
    const tasks = await tasksOf(farm, jobId)
    assert(tasks.length === frames && tasks.every(isThere), 'every frame is there')
    return {
      wallMs: await deliveredMs(farm, job),
      judgedMs: job.endedAtMs === null ? null : job.endedAtMs - job.submittedAtMs,
      renderMs: made.reduce((sum, { wallMs }) => sum + wallMs, 0),
      renderCpuMs,
      ownCpuMs,
      strangeCpuMs: after.allMs - before.allMs - sumOf(ownCpuMs) - renderCpuMs,
      deadMs: spread(deadTimes(made)),
      checked: job.steps.reduce((sum, { checked }) => sum + checked, 0),
      unverified: job.unverified,
      charge: String(job.spent),
      redispatched: job.redispatched,
    }
  })

const sumOf = (times: Readonly<Record<string, number>>): number =>
  Object.values(times).reduce((sum, ms) => sum + ms, 0)

/** Delivered, and done where somebody judges. */
export const isThere = ({ state, outputs }: TaskFacts): boolean =>
  (state === 'done' || state === 'verifying') && outputs.length === 1

export interface PicturePass {
  /** From the command's start until the first frame is in the folder. */
  readonly firstPictureMs: number
  readonly wallMs: number
  readonly frames: number
  readonly videoBytes: number
}

/** `shoal render` as a person runs it: from the scene to the video. */
export const renderForPeople = ({ root, frames }: Scene): Promise<PicturePass> =>
  withFarm(true, async ({ rig, network }) => {
    const [folder, video] = [rig.path('people'), rig.path('people.mp4')]
    const startedAt = performance.now()
    const words = [
      'render',
      join(root, 'scene.blend'),
      '--frames',
      `1-${frames}`,
      '--budget',
      '5',
      '--yes',
      '--watch',
    ]
    const running = rig.start([...words, '--out', folder, '--video', video, ...network.options])
    let firstPictureMs = Number.POSITIVE_INFINITY
    while (!running.isOver()) {
      if (!Number.isFinite(firstPictureMs) && pngsIn(folder) > 0)
        firstPictureMs = performance.now() - startedAt
      await sleep(50)
    }
    const end = await running.end
    assert(end.code === 0, `shoal render ended with ${end.code}: ${end.stderr}`)
    const wallMs = performance.now() - startedAt
    return { firstPictureMs, wallMs, frames: pngsIn(folder), videoBytes: statSync(video).size }
  })

/** Frames, and no sheets of previews. */
const pngsIn = (folder: string): number =>
  existsSync(folder) ? readdirSync(folder).filter((name) => /^frame-\d+\.png$/.test(name)).length : 0

export interface BareFrames {
  /** CPU-milliseconds of each frame while the other cores are as busy as in a farm. */
  readonly besideMs: readonly number[]
  /** Of the first of them, with the machine to itself. */
  readonly aloneMs: readonly number[]
}

/** Frames that are rendered alone as well: they tell how far cores of this machine slow each other down. */
const ALONE_FRAMES = 12

/** One thread each, the scene kept, nothing around it: `WORKERS` of them at once share the frames, and all are measured. */
export async function renderBare({ root, frames, folder }: Scene): Promise<BareFrames> {
  const engine = openEngine({ scratchFolder: join(folder, 'scratch'), sandbox: 'none' })
  const open = () => engine.open({ root, settings: { file: 'scene.blend' } })
  const sessions = await Promise.all(Array.from({ length: WORKERS }, open))
  const besideMs = Array<number>(frames).fill(0)
  const render = async (worker: number, frame: number): Promise<number> => {
    const session = sessions[worker]
    assert(session, 'there is one for each worker')
    return (await runTask(session, { do: 'frame', frame }, join(folder, `bare-${worker}`))).cpuMs
  }
  const renderShare = async (worker: number): Promise<void> => {
    for (let at = worker; at < frames; at += WORKERS) besideMs[at] = await render(worker, at + 1)
  }
  try {
    const aloneMs: number[] = []
    while (aloneMs.length < Math.min(ALONE_FRAMES, frames)) aloneMs.push(await render(0, aloneMs.length + 1))
    await Promise.all(sessions.map((_, worker) => renderShare(worker)))
    return { besideMs, aloneMs }
  } finally {
    for (const session of sessions) await session.close()
  }
}

/** Starts, loads, renders one frame and quits, two at a time: what farms do that keep no Blender. Answers the share that was rendering. */
export async function renderApart(
  { root, folder, frames }: Scene,
  bareMs: readonly number[],
): Promise<number> {
  const queue = Array.from({ length: Math.min(APART_FRAMES, frames) }, (_, at) => at + 1)
  const usefulMs = queue.reduce((sum, frame) => sum + (bareMs[frame - 1] ?? 0), 0)
  const startedAt = performance.now()
  const work = async (): Promise<void> => {
    for (let frame = queue.shift(); frame !== undefined; frame = queue.shift()) {
      const args = ['-b', join(root, 'scene.blend'), '-noaudio', '-t', '1', '-o', join(folder, 'apart-####')]
      const child = spawn('blender', [...args, '-F', 'PNG', '-f', String(frame)], { stdio: 'ignore' })
      await new Promise((done) => child.once('exit', done))
    }
  }
  await Promise.all(Array.from({ length: WORKERS }, work))
  return usefulMs / (WORKERS * (performance.now() - startedAt))
}

/** The same frames by a farm, by one bare Blender that stays, and by one Blender for each frame. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { openEngine, runTask } from '#engines/blender/test-blender.ts'
import { assert } from '#kernel/assert.ts'
import { type Spread, spread } from '../parts/spread.ts'
import { awaitEnd, deadTimes, type Farm, madeBy, startFarm, submit, tasksOf } from './farm.ts'

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
  /** Of the job, from its beginning to its end. */
  readonly wallMs: number
  readonly renderMs: number
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
    const job = await awaitEnd(farm, jobId)
    const made = madeBy(farm, jobId)
    const tasks = await tasksOf(farm, jobId)
    assert(tasks.every(({ state }) => state === 'done') && tasks.length === frames, 'every frame is there')
    return {
      wallMs: (job.endedAtMs ?? 0) - job.submittedAtMs,
      renderMs: made.reduce((sum, { wallMs }) => sum + wallMs, 0),
      deadMs: spread(deadTimes(made)),
      checked: job.steps.reduce((sum, { checked }) => sum + checked, 0),
      unverified: job.unverified,
      charge: String(job.spent),
      redispatched: job.redispatched,
    }
  })

/** CPU-milliseconds of each frame, one thread, the scene kept, nothing around it. */
export async function renderBare({ root, frames, folder }: Scene): Promise<readonly number[]> {
  const engine = openEngine({ scratchFolder: join(folder, 'scratch'), sandbox: 'none' })
  const session = await engine.open({ root, settings: { file: 'scene.blend' } })
  const cpuMs: number[] = []
  try {
    for (let frame = 1; frame <= frames; frame += 1)
      cpuMs.push((await runTask(session, { do: 'frame', frame }, join(folder, 'bare'))).cpuMs)
  } finally {
    await session.close()
  }
  return cpuMs
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

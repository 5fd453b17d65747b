/**
 * What driving Blender costs: two persistent workers with one thread each beside one bare persistent Blender and beside
 * one Blender per frame. Without a network around them: what a farm can reach at most.
 *
 *     node bench/render-driver.ts [--json] [--frames 48] [--size 160] [--samples 48] [--scene diffuse]
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import {
  blenderMissing,
  makeFolder,
  makeScene,
  openEngine,
  runTask,
  type SceneKind,
} from '#engines/blender/test-blender.ts'
import { print, whole } from './parts/machine.ts'
import { type Spread, spread } from './parts/spread.ts'

const EFFICIENCY_MIN = 0.93
const DEAD_MS_MAX = 20
const WORKERS = 2
/** How many frames one Blender per frame gets to show what it is like. */
const APART_FRAMES = 6

interface Result {
  readonly frames: number
  /** CPU-seconds of the same frames in one bare persistent Blender ÷ (workers × wall). */
  readonly efficiency: number
  /** Σ in-render seconds ÷ (workers × wall). */
  readonly inRender: number
  readonly wallMs: number
  readonly bareCpuMs: number
  /** Between the end of a frame in Blender and the start of the next. */
  readonly deadMs: Spread
  /** One Blender per frame, as wide: CPU-seconds of the frames ÷ (workers × wall). */
  readonly apartEfficiency: number
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      frames: { type: 'string', default: '48' },
      size: { type: 'string', default: '160' },
      samples: { type: 'string', default: '48' },
      scene: { type: 'string', default: 'diffuse' },
    },
  })
  const missing = blenderMissing()
  if (missing) console.log(`Not measured: ${missing}. Install with: npm run setup`)
  else {
    const result = await measure({
      frames: Number(values.frames),
      size: Number(values.size),
      samples: Number(values.samples),
      kind: values.scene as SceneKind,
    })
    print(values.json, result, () => describe(result))
    if (result.efficiency < EFFICIENCY_MIN || result.deadMs.p95 > DEAD_MS_MAX) {
      console.error(
        `Expected an efficiency of ${EFFICIENCY_MIN} and at most ${DEAD_MS_MAX} ms between frames.`,
      )
      process.exitCode = 1
    }
  }
}

interface Options {
  readonly frames: number
  readonly size: number
  readonly samples: number
  readonly kind: SceneKind
}

interface Run {
  readonly wallMs: number
  readonly renderMs: number
  readonly cpuMs: number
  readonly deadMs: readonly number[]
}

async function measure({ frames, size, samples, kind }: Options): Promise<Result> {
  using folder = makeFolder()
  const values = { width: size, height: size, samples, frames }
  const root = makeScene(join(folder.path, 'scene/scene.blend'), kind, values)
  const bare = await renderWith(1, { folder: folder.path, root, frames, isBoxed: false })
  const both = await renderWith(WORKERS, { folder: folder.path, root, frames, isBoxed: true })
  const apartMs = await renderApart(root, { folder: folder.path, frames: APART_FRAMES })
  return {
    frames,
    efficiency: bare.cpuMs / (WORKERS * both.wallMs),
    inRender: both.renderMs / (WORKERS * both.wallMs),
    wallMs: both.wallMs,
    bareCpuMs: bare.cpuMs,
    deadMs: spread(both.deadMs),
    apartEfficiency: (bare.cpuMs / frames) * (APART_FRAMES / (WORKERS * apartMs)),
  }
}

async function renderWith(
  workers: number,
  { folder, root, frames, isBoxed }: { folder: string; root: string; frames: number; isBoxed: boolean },
): Promise<Run> {
  const scratchFolder = join(folder, 'scratch')
  const engine = openEngine({ scratchFolder, sandbox: isBoxed ? 'bubblewrap' : 'none' })
  const open = () => engine.open({ root, settings: { file: 'scene.blend' } })
  const sessions = await Promise.all(Array.from({ length: workers }, open))
  const queue = Array.from({ length: frames }, (_, at) => at + 1)
  let [renderMs, cpuMs] = [0, 0]
  const deadMs: number[] = []
  const work = async (session: (typeof sessions)[number], name: string): Promise<void> => {
    let freeAt: number | null = null
    for (let frame = queue.shift(); frame !== undefined; frame = queue.shift()) {
      const askedAt = performance.now()
      const output = await runTask(session, { do: 'frame', frame }, join(folder, name))
      const answeredAt = performance.now()
      // All that is not rendering, on either side of it.
      if (freeAt !== null) deadMs.push(askedAt - freeAt + (answeredAt - askedAt - output.wallMs))
      freeAt = answeredAt
      renderMs += output.wallMs
      cpuMs += output.cpuMs
    }
  }
  try {
    const startedAt = performance.now()
    await Promise.all(sessions.map((session, at) => work(session, `worker-${workers}-${at}`)))
    return { wallMs: performance.now() - startedAt, renderMs, cpuMs, deadMs }
  } finally {
    await Promise.all(sessions.map((session) => session.close()))
  }
}

/** Starts, loads, renders one frame and quits, two at a time: what farms do that keep no Blender. */
async function renderApart(root: string, { folder, frames }: { folder: string; frames: number }) {
  const queue = Array.from({ length: frames }, (_, at) => at + 1)
  const startedAt = performance.now()
  const work = async (): Promise<void> => {
    for (let frame = queue.shift(); frame !== undefined; frame = queue.shift()) {
      const args = ['-b', join(root, 'scene.blend'), '-noaudio', '-t', '1', '-o', join(folder, 'apart-####')]
      const child = spawn('blender', [...args, '-F', 'PNG', '-f', String(frame)], { stdio: 'ignore' })
      await new Promise((done) => child.once('exit', done))
    }
  }
  await Promise.all(Array.from({ length: WORKERS }, work))
  return performance.now() - startedAt
}

function describe(result: Result): string[] {
  const { efficiency, inRender, apartEfficiency, deadMs, frames, wallMs, bareCpuMs } = result
  return [
    `${frames} frames of ${whole(bareCpuMs / frames)} ms on ${WORKERS} workers with one thread each: ${whole(wallMs)} ms`,
    `efficiency ${efficiency.toFixed(3)} (CPU-seconds of a bare Blender ÷ workers × wall); in render ${inRender.toFixed(3)}`,
    `between frames: ${deadMs.p50.toFixed(1)} ms in the median, ${deadMs.p95.toFixed(1)} ms at p95, ${deadMs.max.toFixed(1)} ms at most`,
    `one Blender per frame instead: efficiency ${apartEfficiency.toFixed(3)}`,
  ]
}

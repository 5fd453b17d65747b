/**
 * Quote against bill over twelve scenes that cost their time in different places: three frames of each are probed small and
 * quoted as the network does, then frames of it are rendered and the time that they took is billed by the engine of jobs itself, cap and
 * rounding included. (A job of a quote is charged what was quoted; what it would have been by the clock is what the quote is held against.)
 *
 *     node bench/quotes.ts [--json] [--frames 8] [--scene NAME] [--clock wall|cpu]
 *
 * A job is `--frames` frames spread over the 48 of a scene, on one worker with one thread; another one was probed. `--clock cpu` counts the processor's
 * time in place of the wall's: for a machine that others use too.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { blenderMissing, makeFolder, openEngine, runTask } from '#engines/blender/test-blender.ts'
import type { TaskParams } from '#protocol/task.ts'
import { print, whole } from './parts/machine.ts'
import { quoteAndRun, type Told } from './parts/quote-worker.ts'

const ERROR_MAX = 0.15
const SCENES = [
  'heavy-samples',
  'many-objects',
  'volume',
  'high-resolution',
  'motion',
  'tiny-frames',
  'adaptive',
  'textures',
  'subdivision',
  'instances',
  'glossy-bounces',
  'particles',
]
const FRAMES = 48
const maker = join(import.meta.dirname, '../test/scenes/make_quote_scene.py')

interface Row extends Told {
  readonly scene: string
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      frames: { type: 'string', default: '8' },
      scene: { type: 'string' },
      clock: { type: 'string', default: 'wall' },
    },
  })
  const missing = blenderMissing()
  if (missing) console.log(`Not measured: ${missing}. Install with: npm run setup`)
  else {
    const scenes = values.scene === undefined ? SCENES : [values.scene]
    const frames = Number(values.frames)
    const rows = await measure(scenes, { frames, clock: values.clock === 'cpu' ? 'cpuMs' : 'wallMs' })
    const errors = rows.map(({ error }) => Math.abs(error)).toSorted((a, b) => a - b)
    const median = ((errors[(errors.length - 1) >> 1] ?? 0) + (errors[errors.length >> 1] ?? 0)) / 2
    const isCapped = rows.every(({ bill, cap, frameMost }) => bill <= cap + frameMost)
    const areDone = rows.every(({ isDone }) => isDone)
    const result = { frames, clock: values.clock, median, worst: errors.at(-1) ?? 0, isCapped, areDone, rows }
    print(values.json, printable(result), () => describe(result))
    if (median > ERROR_MAX || !isCapped || !areDone) {
      console.error(
        `Expected a median error of ${ERROR_MAX * 100} % at most, no bill over its cap by more than a frame, and every job done.`,
      )
      process.exitCode = 1
    }
  }
}

async function measure(
  scenes: readonly string[],
  { frames, clock }: { frames: number; clock: 'cpuMs' | 'wallMs' },
): Promise<Row[]> {
  using folder = makeFolder()
  const engine = openEngine({ scratchFolder: join(folder.path, 'scratch') })
  const rows: Row[] = []
  const numbers = Array.from({ length: frames }, (_, at) =>
    Math.round(1 + (at * (FRAMES - 1)) / Math.max(1, frames - 1)),
  )
  for (const scene of scenes) {
    const root = makeScene(scene, join(folder.path, scene))
    const open = async () => {
      const session = await engine.open({ root, settings: { file: 'scene.blend' } })
      return {
        run: async (params: TaskParams) => (await runTask(session, params, join(folder.path, 'out')))[clock],
        close: () => session.close(),
      }
    }
    rows.push({ scene, ...(await quoteAndRun(numbers, open)) })
  }
  return rows
}

function makeScene(scene: string, root: string): string {
  mkdirSync(root, { recursive: true })
  const args = ['-b', '--factory-startup', '-noaudio', '--python-exit-code', '9', '--python', maker]
  const made = spawnSync('blender', [...args, '--', scene, join(root, 'scene.blend')], { encoding: 'utf8' })
  if (made.status !== 0) throw new Error(`Blender made no scene: ${made.stdout}${made.stderr}`)
  return root
}

/** As JSON can say it. */
function printable<Result extends { readonly rows: readonly Row[] }>(result: Result): object {
  const rows = result.rows.map(({ quoted, bill, cap, frameMost, ...row }) => {
    const amounts = { quoted: `${quoted}`, bill: `${bill}`, cap: `${cap}`, frameMost: `${frameMost}` }
    return { ...row, ...amounts }
  })
  return { ...result, rows }
}

function describe(result: {
  frames: number
  clock: string
  median: number
  worst: number
  isCapped: boolean
  rows: readonly Row[]
}): string[] {
  const { frames, clock, median, worst, isCapped, rows } = result
  const percent = (part: number): string => `${(part * 100).toFixed(1)} %`
  const usd = (nano: bigint): string => (Number(nano) / 1e9).toFixed(6)
  return [
    `${frames} of the ${FRAMES} frames of each scene are the job, on one worker with one thread; ${clock} time`,
    `${'scene'.padEnd(16)} ${'ms/frame'.padStart(9)} ${'probes ms'.padStart(9)} ${'quoted USD'.padStart(11)} ${'billed USD'.padStart(11)} ${'cap USD'.padStart(10)} ${'error'.padStart(8)}`,
    ...rows.map(
      ({ scene, frameMs, probeMs, quoted, bill, cap, error, isInRange }) =>
        `${scene.padEnd(16)} ${whole(frameMs).padStart(9)} ${whole(probeMs).padStart(9)} ${usd(quoted).padStart(11)} ${usd(bill).padStart(11)} ${usd(cap).padStart(10)} ${percent(error).padStart(8)}${isInRange ? '' : '  outside P10 to P90'}`,
    ),
    `median error ${percent(median)}, largest ${percent(worst)}; ${isCapped ? 'no bill above its cap by more than a frame' : 'a bill above its cap'}`,
  ]
}

/**
 * One still by ranges of its samples on two workers with one thread each, merged: how much faster it is than on one, and how
 * far it is from the picture rendered at once.
 *
 *     node bench/render-still.ts [--json] [--size 320] [--samples 256] [--scene glossy]
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import {
  blenderMissing,
  makeFolder,
  makeScene,
  openEngine,
  openPicture,
  runTask,
  type SceneKind,
} from '#engines/blender/test-blender.ts'
import { mergeRanges } from '#images/merge-ranges.ts'
import type { Picture } from '#images/picture.ts'
import { print, whole } from './parts/machine.ts'

const SPEED_UP_MIN = 1.8
const DIFFERENCE_MAX = 1e-4

interface Result {
  readonly scene: string
  readonly aloneMs: number
  readonly sharedMs: number
  readonly mergeMs: number
  readonly speedUp: number
  /** Of pixels' values, relative to the larger one, those below 0.001 as if they were that. */
  readonly worstRelative: number
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      size: { type: 'string', default: '320' },
      samples: { type: 'string', default: '256' },
      scene: { type: 'string', default: 'glossy' },
    },
  })
  const missing = blenderMissing()
  if (missing) console.log(`Not measured: ${missing}. Install with: npm run setup`)
  else {
    const size = Number(values.size)
    const result = await measure({ size, samples: Number(values.samples), kind: values.scene as SceneKind })
    print(values.json, result, () => [
      `one worker: ${whole(result.aloneMs)} ms; two: ${whole(result.sharedMs)} ms, ${whole(result.mergeMs)} ms of it to merge`,
      `${result.speedUp.toFixed(2)} times as fast; the largest relative difference is ${result.worstRelative.toExponential(1)}`,
    ])
    if (result.speedUp < SPEED_UP_MIN || result.worstRelative > DIFFERENCE_MAX) {
      console.error(`Expected at least ${SPEED_UP_MIN} times and at most ${DIFFERENCE_MAX}.`)
      process.exitCode = 1
    }
  }
}

interface Options {
  readonly size: number
  readonly samples: number
  readonly kind: SceneKind
}

async function measure({ size, samples, kind }: Options): Promise<Result> {
  using folder = makeFolder()
  const root = makeScene(join(folder.path, 'scene/scene.blend'), kind, { width: size, height: size, samples })
  const engine = openEngine({ scratchFolder: join(folder.path, 'scratch') })
  const settings = { file: 'scene.blend', format: 'EXR', depth: 32 }
  const [first, second] = await Promise.all([
    engine.open({ root, settings }),
    engine.open({ root, settings }),
  ])
  try {
    const render = async (session: typeof first, name: string, from: number, count: number) => {
      const to = join(folder.path, name)
      const params = { do: 'range', frame: 1, samples: count, sampleOffset: from }
      const { files } = await runTask(session, params, to)
      return { picture: openPicture(join(to, files[0]?.name ?? '')), samples: count }
    }
    // The first frame builds what all others find.
    await Promise.all([render(first, 'warm-1', 0, 1), render(second, 'warm-2', 0, 1)])
    const half = samples >> 1
    const startedAt = performance.now()
    const alone = await render(first, 'alone', 0, samples)
    const aloneAt = performance.now()
    const parts = await Promise.all([
      render(first, 'part-1', 0, half),
      render(second, 'part-2', half, samples - half),
    ])
    const partsAt = performance.now()
    const merged = mergeRanges(parts)
    const endedAt = performance.now()
    return {
      scene: kind,
      aloneMs: aloneAt - startedAt,
      sharedMs: endedAt - aloneAt,
      mergeMs: endedAt - partsAt,
      speedUp: (aloneAt - startedAt) / (endedAt - aloneAt),
      worstRelative: worstDifference(alone.picture, merged),
    }
  } finally {
    await Promise.all([first.close(), second.close()])
  }
}

function worstDifference(a: Picture, b: Picture): number {
  let worst = 0
  a.values.forEach((value, at) => {
    const other = b.values[at] ?? 0
    worst = Math.max(worst, Math.abs(value - other) / Math.max(Math.abs(value), Math.abs(other), 1e-3))
  })
  return worst
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TaskParams } from '#protocol/task.ts'
import { fitCost } from './estimate.ts'
import { estimateStep, type MeasuredSeries } from './estimate-step.ts'
import { nextRound, seriesOf } from './probe-plan.ts'

test('a range of fewer samples takes less than the largest of its step', () => {
  const tasks = [64, 64, 16].map(
    (samples, at): TaskParams => ({
      do: 'range',
      frame: 1,
      samples,
      sampleOffset: at * 64,
    }),
  )
  const measured = measure(tasks, ({ samples }) => 400 + 10 * Number(samples))
  const { estimates } = estimateStep({ kind: 'blender', tasks }, { measured, results: 0 })
  assert.deepEqual(
    estimates.map(({ referenceMs }) => referenceMs),
    [1_040, 1_040, 560],
  )
})

test('frames of other samples in one step are estimated by their own series', () => {
  const tasks: TaskParams[] = [
    { do: 'frame', frame: 1, samples: 8 },
    { do: 'frame', frame: 1, samples: 16 },
  ]
  const measured = measure(tasks, ({ samples, scale }) => 1_000 * Number(samples) * Number(scale) ** 2)
  const { estimates } = estimateStep({ kind: 'blender', tasks }, { measured, results: 0 })
  assert.deepEqual(
    estimates.map(({ referenceMs }) => referenceMs),
    [8_000, 16_000],
  )
})

test('what is not probed takes what the step says, else what is usual, and that is surer the more is said', () => {
  const none = { measured: new Map<string, MeasuredSeries>(), results: 100 }
  const tasks: TaskParams[] = [{}]
  const said = estimateStep({ kind: 'command', tasks, estimateMs: 4_000 }, none)
  assert.deepEqual(said.estimates, [{ referenceMs: 4_000, referenceMsP90: 6_000 }])
  const video = estimateStep({ kind: 'ffmpeg', tasks }, none)
  assert.deepEqual(video.estimates, [{ referenceMs: 8_000, referenceMsP90: 24_000 }])
  assert(said.commonError < video.commonError)
  const merge = [{ do: 'merge', frame: 1, parts: 'a=1;b=1' }]
  assert.equal(estimateStep({ kind: 'blender', tasks: merge }, none).estimates[0]?.referenceMs, 2_000)
})

/** What probes of the tasks come to, where a task takes `msOf` its params. */
function measure(
  tasks: readonly TaskParams[],
  msOf: (params: TaskParams) => number,
): Map<string, MeasuredSeries> {
  return new Map(
    [...seriesOf({ kind: 'blender', tasks })].map(([key, series]) => {
      const run = (probes: Parameters<typeof fitCost>[0]): Parameters<typeof fitCost>[0] =>
        nextRound(series, probes).map(({ at, share, params }) => ({
          at,
          share,
          referenceMs: msOf(params),
          isCold: false,
        }))
      const first = run([])
      const model = fitCost([...first, ...run(first)])
      return [key, { model, samplesMax: series.samplesMax }]
    }),
  )
}

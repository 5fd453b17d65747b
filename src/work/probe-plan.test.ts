import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TaskParams } from '#protocol/task.ts'
import type { Probe } from './estimate.ts'
import { nextRound, type Series, seriesOf } from './probe-plan.ts'

test('of a sequence the first, the last and the middle frame are probed, a 64th of each and then a fourth', () => {
  const series = onlySeries(framesOf(1, 2, 3, 40, 41))
  assert.deepEqual(series.ats, [1, 41, 3])
  assert.deepEqual(sharesOf(series, 100), [
    [1, 1 / 64],
    [41, 1 / 64],
    [3, 1 / 64],
    [1, 1 / 4],
    [41, 1 / 4],
    [3, 1 / 4],
  ])
})

test('one frame is probed once a round, and two are both', () => {
  assert.deepEqual(onlySeries(framesOf(7)).ats, [7])
  assert.deepEqual(onlySeries(framesOf(9, 7)).ats, [7, 9])
})

test('a frame that takes long is probed as far as the time allows', () => {
  const rows: [number, number[]][] = [
    [100, [1 / 64, 1 / 4]],
    [20_000, [1 / 64, 1 / 8]],
    [60_000, [1 / 64, 1 / 16]],
    [120_000, [1 / 64, 1 / 32]],
    // It is too slow for more, so for once less of it is tried.
    [1_000_000, [1 / 64, 1 / 1_024]],
  ]
  for (const [wholeMs, shares] of rows) {
    const tried = sharesOf(onlySeries(framesOf(1)), wholeMs).map(([, share]) => share)
    assert.deepEqual(tried, shares, String(wholeMs))
  }
})

test('a scene that takes long before its first ray is probed with as many rays as take as long again', () => {
  const series = onlySeries(framesOf(1))
  const slow = (fixedMs: number, growingMs: number): number[] => {
    const probes: Probe[] = []
    for (let rounds = 0; rounds < 6; rounds++)
      for (const { at, share } of nextRound(series, probes))
        probes.push({ at, share, referenceMs: fixedMs + growingMs * share, isCold: false })
    return probes.map(({ share }) => share)
  }
  assert.deepEqual(slow(5_000, 20_000), [1 / 64, 1 / 1_024, 1 / 4])
  assert.deepEqual(slow(5_000, 80_000), [1 / 64, 1 / 1_024, 1 / 16])
  assert.deepEqual(slow(5_000, 2_000_000), [1 / 64, 1 / 1_024])
})

test('no probe is more than a fourth of its task, whatever the times are', () => {
  for (const wholeMs of [0, 1, 1e3, 1e5, 1e9])
    for (const [, share] of sharesOf(onlySeries(framesOf(1, 5)), wholeMs)) assert(share <= 1 / 4)
})

test('where every node was new, more probes tell what its first frame costs more', () => {
  const series = onlySeries(framesOf(1, 2, 3))
  const cold = nextRound(series, []).map(({ at, share }) => ({ at, share, referenceMs: 9, isCold: true }))
  const shares = nextRound(series, cold).map(({ share }) => share)
  assert.deepEqual(shares, [1 / 4, 1 / 4, 1 / 4, 1 / 32, 1 / 32, 1 / 32])
})

test('a task that is small already is probed smaller', () => {
  const [first] = nextRound(onlySeries([{ do: 'frame', frame: 3, scale: 0.5, samples: 8 }]), [])
  assert.deepEqual(first?.params, { do: 'frame', frame: 3, samples: 8, scale: 0.0625 })
})

test('frames with other samples or scale are another series, with another seed they are not', () => {
  const tasks = [
    { do: 'frame', frame: 1 },
    { do: 'frame', frame: 2, seed: 4 },
    { do: 'frame', frame: 3, samples: 16 },
    { do: 'merge', frame: 1, parts: 'a=1' },
    { do: 'inspect' },
  ]
  assert.deepEqual(
    [...seriesOf({ kind: 'blender', tasks }).values()].map(({ ats }) => ats),
    [[1, 2], [3]],
  )
  assert.equal(seriesOf({ kind: 'command', tasks }).size, 0)
})

test('where the frames differ, those half way between them are probed too', () => {
  const series = onlySeries(framesOf(...Array.from({ length: 41 }, (_, at) => at)))
  const alike = sharesOf(series, 100)
  const rising = sharesOf(series, (at) => 100 + at)
  assert.deepEqual(rising.slice(alike.length), [
    [10, 1 / 4],
    [30, 1 / 4],
  ])
})

test('ranges of one sample are probed by that one, and never twice in a round', () => {
  const range = (samples: number): TaskParams => ({ do: 'range', frame: 1, samples, sampleOffset: 0 })
  assert.deepEqual(sharesOf(onlySeries([range(1)]), 50), [[1, 1]])
  assert.deepEqual(sharesOf(onlySeries([range(4)]), 50), [[1, 1 / 4]])
  for (const samples of [2, 3, 5, 6, 7, 9, 64, 65]) {
    const series = onlySeries([range(samples)])
    const cold = nextRound(series, []).map(({ at, share }) => ({ at, share, referenceMs: 9, isCold: true }))
    const keys = nextRound(series, cold).map(({ params }) => JSON.stringify(params))
    assert.equal(new Set(keys).size, keys.length, String(samples))
  }
})

const framesOf = (...frames: number[]): TaskParams[] => frames.map((frame) => ({ do: 'frame', frame }))

function onlySeries(tasks: readonly TaskParams[]): Series {
  const [series, ...others] = seriesOf({ kind: 'blender', tasks }).values()
  assert(series && others.length === 0)
  return series
}

/** Frames and shares that are probed one round after the other, of tasks that take `wholeMs` each and grow by their share. */
function sharesOf(series: Series, wholeMs: number | ((at: number) => number)): [number, number][] {
  const wholeOf = typeof wholeMs === 'number' ? () => wholeMs : wholeMs
  const probes: Probe[] = []
  for (let rounds = 0; rounds < 6; rounds++) {
    for (const { at, share } of nextRound(series, probes))
      probes.push({ at, share, referenceMs: wholeOf(at) * share, isCold: false })
  }
  return probes.map(({ at, share }) => [at, share])
}

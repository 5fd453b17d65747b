import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Picture } from '#images/picture.ts'
import { checkFrame, type FrameExpectation, fingerprintOf } from './check-frame.ts'
import { CROP_PLAN, chooseCrops } from './choose-crops.ts'
import { compareCrops } from './compare-crops.ts'

test('rounding passes and missing samples do not', () => {
  const reference = makePicture((at) => 1 + Math.sin(at))
  const rounded = makePicture((at) => (1 + Math.sin(at)) * (1 + 1e-5))
  const cheap = makePicture((at) => (1 + Math.sin(at)) * (at % 9 === 0 ? 1.05 : 1))
  assert.equal(compareCrops(rounded, reference).isOff, false)
  assert.equal(compareCrops(cheap, reference).isOff, true)
})

test('a few pixels that went another way are no fraud, and more are', () => {
  const reference = makePicture(() => 1)
  const withOff = (count: number) => makePicture((at) => (at < 3 * count ? 2 : 1))
  assert.equal(compareCrops(withOff(4), reference).isOff, false)
  assert.deepEqual(compareCrops(withOff(5), reference), {
    ...{ pixels: 225, offPixels: 5, slightPixels: 0, worstRelative: 0.5, isOff: true },
  })
})

test('in 8 bits a flat area may be a step off as a whole, and detail may not', () => {
  const steps = (of: (at: number) => number): Picture => ({
    ...makePicture((at) => of(at) / 255),
    step: 1 / 255,
  })
  const detail = (at: number) => 100 + 20 * (at % 5)
  assert.equal(
    compareCrops(
      steps(() => 38),
      steps(() => 37),
    ).isOff,
    false,
  )
  assert.equal(
    compareCrops(
      steps(() => 39),
      steps(() => 37),
    ).isOff,
    true,
  )
  assert.equal(
    compareCrops(
      steps((at) => detail(at) + 1),
      steps(detail),
    ).isOff,
    true,
  )
  const some = (at: number) => detail(at) + (at % 30 < 3 ? 1 : 0)
  assert.equal(compareCrops(steps(some), steps(detail)).isOff, false)
})

test('what is no number equals only itself', () => {
  const numbers = makePicture(() => 1)
  const none = makePicture(() => Number.NaN)
  assert.equal(compareCrops(none, none).isOff, false)
  assert.equal(compareCrops(none, numbers).isOff, true)
  assert.equal(compareCrops(numbers, none).isOff, true)
  assert.equal(compareCrops({ ...numbers, width: 9, height: 25 }, numbers).isOff, true)
})

test('places follow from the secret, lie within the frame and differ with it', () => {
  const picture = { ...makePicture((at) => Math.sin(at * at)), width: 25, height: 9 }
  const boxes = chooseCrops(picture, Uint8Array.of(1, 2, 3, 4), { count: 3, side: 7 })
  assert.deepEqual(chooseCrops(picture, Uint8Array.of(1, 2, 3, 4), { count: 3, side: 7 }), boxes)
  assert.notDeepEqual(chooseCrops(picture, Uint8Array.of(1, 2, 3, 5), { count: 3, side: 7 }), boxes)
  for (const { x, y, width, height } of boxes) assert(x >= 0 && y >= 0 && x + width <= 25 && y + height <= 9)
  const small = chooseCrops(picture, Uint8Array.of(0, 0, 0, 0), { count: 1, side: 100 })
  assert.deepEqual(small, [{ x: 0, y: 0, width: 25, height: 9 }])
})

test('a maker who leaves all detail in one half does not draw all crops there', () => {
  const half = makePicture(() => 1)
  const values = half.values.map((_, at) =>
    Math.floor(at / half.channels) % half.width < half.width / 2 ? 1 + (at % 7) : 1,
  )
  let found = 0
  for (let draw = 0; draw < 1_000; draw++) {
    const secret = Uint8Array.of(draw * 37, draw >> 3, draw * 11, draw)
    const boxes = chooseCrops({ ...half, values }, secret, { ...CROP_PLAN, side: 3 })
    if (boxes.some(({ x }) => x >= half.width / 2)) found++
  }
  assert.ok(found > 550, `${found} of 1,000 audits look at the other half`)
})

test('each fault of a frame is told, the first that there is', () => {
  const note = (frame: number, rest = 'samples=32 offset=0 seed=0') =>
    `shoal scene=abc frame=${frame} ${rest}`
  const rows: readonly (readonly [string | null, Partial<Picture>])[] = [
    [null, {}],
    ['size_wrong', { width: 16, metadata: {} }],
    ['label_missing', { metadata: {} }],
    ['frame_wrong', { metadata: { Note: note(13) } }],
    ['scene_wrong', { metadata: { Note: note(12).replace('abc', 'abd') } }],
    ['settings_wrong', { metadata: { Note: note(12, 'samples=31 offset=0 seed=0') } }],
  ]
  for (const [fault, change] of rows) {
    const picture = { ...makePicture(() => 1), metadata: { Note: note(12) }, ...change }
    assert.equal(checkFrame({ picture, wallMs: 1_000, neighbours: [] }, expected).fault, fault)
  }
})

test('what may be honest raises a doubt and no more', () => {
  const metadata = { Note: 'shoal scene=abc frame=12 samples=32 offset=0 seed=0' }
  const doubts = (of: (at: number) => number, wallMs = 1_000, neighbours: readonly string[] = []) =>
    checkFrame({ picture: { ...makePicture(of), metadata }, wallMs, neighbours }, expected).doubts
  assert.deepEqual(
    doubts(() => 1),
    [],
  )
  assert.deepEqual(
    doubts(() => 0),
    ['black'],
  )
  assert.deepEqual(
    doubts((at) => (at === 7 ? Number.NaN : 1)),
    ['not_a_number'],
  )
  assert.deepEqual(
    doubts(() => 1, 200),
    ['too_fast'],
  )
  assert.deepEqual(
    doubts(() => 1, 20_000),
    ['too_slow'],
  )
  const same = fingerprintOf(makePicture(() => 1))
  assert.deepEqual(
    doubts(() => 1, 1_000, [same]),
    ['same_as_neighbour'],
  )
})

const expected: FrameExpectation = {
  ...{ width: 15, height: 15, frame: 12, sceneHash: 'abc', samples: 32, seed: null, expectedMs: 1_000 },
}

function makePicture(of: (at: number) => number): Picture {
  const values = Float32Array.from({ length: 15 * 15 * 3 }, (_, at) => of(at))
  return { width: 15, height: 15, channels: 3, values, step: 0, metadata: {} }
}

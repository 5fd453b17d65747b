import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stubFacts } from '../stub-job-tools.ts'
import { readRenderOptions } from './render-options.ts'
import { partsOf, planRender } from './render-plan.ts'

test('the task that merges a still asks for the memory of its sums beside that of the scene', () => {
  const steps = planRender({ ...input(4_096, 4_096), parts: 4, inputRoot: 'a'.repeat(64), inputBytes: 1_000 })
  const [parts = 0, merge = 0] = steps.map(({ requirements }) => requirements.memoryMib)
  // 80 bytes for each of 16 Mi pixels.
  assert.deepEqual([steps.map(({ name }) => name), merge - parts], [['parts', 'frames'], 16 * 80])
})

test('a still that is too large to be merged is not cut, and who asks for it is told', () => {
  assert.equal(partsOf(input(7_680, 4_320), 4), 4)
  assert.equal(partsOf(input(8_192, 8_192), 4), 1)
  assert.throws(
    () => partsOf(input(8_192, 8_192, '2'), 4),
    /The picture has 8192 x 8192 pixels, and parts are merged up to 33554432: leave --split out/,
  )
  assert.equal(partsOf(input(8_192, 8_192, '1'), 4), 1)
})

function input(width: number, height: number, split = 'auto') {
  const options = readRenderOptions({
    ...{ frames: '7', split, tier: 'priority', format: 'PNG' },
    ...{ device: 'CPU', priority: 5, blender: 'blender' },
  })
  const facts = { ...stubFacts, width, height }
  return { options, scene: { file: 's.blend', remap: {}, facts }, frames: [7] }
}

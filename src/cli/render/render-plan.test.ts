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

test('a step says how large its pictures are, unless scripts may change that', () => {
  const sizes = (more: object) => {
    const { options, ...rest } = input(1_920, 1_080)
    const plan = { ...rest, options: { ...options, ...more }, inputRoot: 'a'.repeat(64), inputBytes: 1_000 }
    return [1, 4].flatMap((parts) =>
      planRender({ ...plan, parts }).map(({ settings }) => [settings['width'], settings['height']]),
    )
  }
  assert.deepEqual(sizes({}), Array(3).fill([1_920, 1_080]))
  assert.deepEqual(sizes({ allowsScripts: true }), Array(3).fill([undefined, undefined]))
})

test('a scene for a GPU asks for the memory there that it takes, and one for processors for none', () => {
  const asked = (device: 'CPU' | 'CUDA') => {
    const { options, ...rest } = input(1_000, 1_000)
    const scene = { ...rest.scene, facts: { ...rest.scene.facts, imageBytes: 4_000 * 2 ** 20 } }
    const plan = { ...rest, scene, parts: 1, inputRoot: 'a'.repeat(64), inputBytes: 100 * 2 ** 20 }
    return planRender({ ...plan, options: { ...options, device } })[0]?.requirements
  }
  const [cpu, gpu] = [asked('CPU'), asked('CUDA')]
  assert(cpu && gpu && gpu.vramMib > 4_000)
  assert.deepEqual([cpu.vramMib, gpu.memoryMib, gpu.memoryMib - gpu.vramMib], [0, cpu.memoryMib, 200])
})

function input(width: number, height: number, split = 'auto') {
  const options = readRenderOptions({
    ...{ frames: '7', split, tier: 'priority', format: 'PNG' },
    ...{ device: 'CPU', priority: 5, blender: 'blender' },
  })
  const facts = { ...stubFacts, width, height }
  return { options, scene: { file: 's.blend', remap: {}, facts }, frames: [7] }
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Node } from '#fleet/fleet.ts'
import type { WorkerFacts } from '#protocol/work-link.ts'
import { nodeFactsOf } from './node-facts.ts'

test('what a node tells of its speed counts up to what a machine may have', () => {
  const speedOf = (told: Partial<WorkerFacts>) => factsOf(told).speed
  assert.deepEqual([speedOf({ speed: 7 }), speedOf({ speed: 1e6 })], [7, 100])
  assert.deepEqual(
    [speedOf({ speed: 400, device: 'CUDA' }), speedOf({ speed: 1e6, device: 'OPTIX' })],
    [400, 1_000],
  )
  assert.equal(factsOf({ speed: 10, device: 'CUDA', cpuSpeed: 1e6 }).cpu?.speed, 100)
})

test('what an hour of the machine is to bring is asked of its GPU and of its processor, each at its speed', () => {
  const { askPerHour, cpu } = factsOf({ speed: 20, device: 'CUDA', cpuSpeed: 0.5, askPerHour: 1_000n })
  assert.deepEqual([askPerHour, cpu], [50n, { speed: 0.5, askPerHour: 2_000n }])
  assert.equal(factsOf({ device: 'CPU', cpuSpeed: 0.5 }).cpu, undefined)
})

test('a node of before, which does not say what it renders on, renders on its GPU where it has one', () => {
  assert.deepEqual([factsOf({}).device, factsOf({ vramMib: 8_000 }).device], ['CPU', 'CUDA'])
})

function factsOf(told: Partial<WorkerFacts>) {
  const node = {
    id: 'a',
    organisationId: 'ada',
    nodeClass: 'community',
    isDrained: false,
    presenceSinceMs: 0,
  }
  const usual = { kinds: ['blender' as const], speed: 1, memoryMib: 1_000, vramMib: 0, bytesPerSecond: 1e6 }
  return nodeFactsOf(node as Node, { ...usual, askPerHour: 0n, engines: {}, ...told })
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TestFloor } from '../work/test-floor.ts'
import { workCounts } from './job-parts.ts'

test('of the nodes that take tasks, those are told apart that render for customers, by their device', async () => {
  const floor = await TestFloor.open({})
  await floor.hello('a', { device: 'CPU' })
  await floor.hello('b', { device: 'CUDA', vramMib: 8_000 })
  const { coordinator, desk } = floor.service
  const counts = () => workCounts({ coordinator }, { desk } as Parameters<typeof workCounts>[1])
  assert.deepEqual([counts().nodes, counts().renderers], [2, { CPU: 1, CUDA: 1 }])
  await floor.hello('a', { kinds: ['ffmpeg'], device: 'CPU' })
  await floor.hello('b', { onlyAudits: true, device: 'CUDA' })
  assert.deepEqual([counts().nodes, counts().renderers], [2, {}])
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planOf, stepOf, TestFarm } from './test-farm.ts'
import { paceOf } from './work.ts'

test('a node that says that it is a thousand times as quick does not set the pace by which others are judged', () => {
  const task = { params: { frame: 1 }, referenceMs: 1_000, referenceMsP90: 1_300 }
  for (const [isPriceFixed, most] of [
    [true, 13_000],
    [false, 60_000_000],
  ] as const) {
    const farm = new TestFarm()
    farm.seat('a', { speed: 1_000 })
    farm.submit(planOf({ steps: [stepOf({ tasks: [{ ...task, ...(isPriceFixed && { isPriceFixed }) }] })] }))
    farm.pull('a')
    farm.nowMs += 60_000
    const [fence = 0] = farm.held('a')
    const outputs = [{ name: 'x', bytes: 1, sha256: 'a'.repeat(64) }]
    farm.say({ kind: 'commit', fence, nodeId: 'a', outputs, wallMs: 60_000, nowMs: farm.nowMs })
    farm.deliver('a', fence)
    assert.deepEqual([farm.task(0).result?.referenceMs, paceOf(farm.job())], [most, most / 1_000])
  }
})

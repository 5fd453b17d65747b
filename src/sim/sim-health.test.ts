import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRandom } from '#kernel/random.ts'
import { HOUR_MS } from '#kernel/time.ts'
import { Scheduler } from './scheduler.ts'
import { createSimHealth } from './sim-health.ts'

test('devices of a few nodes fall ill, and none where all stay well', async () => {
  assert.ok((await timesIll({ index: 3, staysWell: false })) > 0)
  assert.equal(await timesIll({ index: 3, staysWell: true }), 0)
  assert.equal(await timesIll({ index: 4, staysWell: false }), 0)
})

async function timesIll(slot: Parameters<typeof createSimHealth>[1]): Promise<number> {
  const scheduler = new Scheduler(createRandom(1))
  const health = createSimHealth(scheduler, slot)
  let times = 0
  health.onChange(() => {
    if (health.faults().length > 0) times++
  })
  await scheduler.run(HOUR_MS)
  return times
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '#protocol/problem.ts'
import { createTestWorld } from '#sim/test-world.ts'
import { persist, sleep } from './persist.ts'

const away = new Problem('network_unreachable', 'away')

test('a transfer that moves goes on after each break, however long it takes as a whole', async () => {
  const { tried, run } = setup(async ({ onMoved, wait, tries }) => {
    for (let second = 0; second < 170; second++) {
      await wait(1_000)
      onMoved()
    }
    if (tries < 4) throw away
    return 'sent'
  })
  await run(800_000)
  assert.deepEqual(tried(), [4, 'sent'])
})

test('one that does not move is given up after two minutes, counted from what moved last', async () => {
  const { tried, run, nowMs } = setup(async ({ onMoved, wait, tries }) => {
    await wait(10_000)
    if (tries <= 10) onMoved()
    throw away
  })
  const sinceMs = nowMs()
  await run(220_000)
  assert.equal(tried()[1], null)
  await run(60_000)
  assert.equal(tried()[1], away)
  assert.ok(nowMs() - sinceMs < 300_000)
})

type Transfer = (at: { onMoved(): void; wait(ms: number): Promise<void>; tries: number }) => Promise<string>

function setup(transfer: Transfer) {
  const world = createTestWorld()
  const { clock } = world.machine('node').host
  const { signal } = new AbortController()
  const wait = (ms: number) => sleep(clock, ms, signal)
  let tries = 0
  let end: unknown = null
  const settle = (value: unknown): void => {
    end = value
  }
  persist(clock, signal, (onMoved) => transfer({ onMoved, wait, tries: ++tries })).then(settle, settle)
  return { run: world.run, nowMs: clock.elapsedMs, tried: () => [tries, end] }
}

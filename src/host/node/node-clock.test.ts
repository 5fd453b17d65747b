import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { nodeClock } from './node-clock.ts'

test('a timer runs once, never early by elapsedMs', async () => {
  const due = nodeClock.elapsedMs() + 3.7
  let runs = 0
  await new Promise<void>((resolve) => {
    nodeClock.after(3.7, () => {
      runs++
      resolve()
    })
  })
  assert.ok(nodeClock.elapsedMs() >= due)
  assert.equal(runs, 1)
})

test('timers run in the order they are due, also the one that is due at once', async () => {
  const order: string[] = []
  await new Promise<void>((resolve) => {
    nodeClock.after(20, () => {
      order.push('later')
      resolve()
    })
    nodeClock.after(0, () => order.push('now'))
  })
  assert.deepEqual(order, ['now', 'later'])
})

test('a cancelled timer does not run', async () => {
  const timer = nodeClock.after(1, () => assert.fail('cancelled'))
  timer.cancel()
  timer.cancel()
  await new Promise<void>((resolve) => void nodeClock.after(5, resolve))
})

test('a wait beyond what the system timer takes is not cut short', async (context) => {
  const early = context.mock.fn()
  const timer = nodeClock.after(60 * 24 * 3_600_000, early)
  await new Promise<void>((resolve) => void nodeClock.after(5, resolve))
  timer.cancel()
  assert.equal(early.mock.callCount(), 0)
})

test('a delay below 0, infinite or not a number is a bug', () => {
  for (const delayMs of [-1, Infinity, Number.NaN]) {
    assert.throws(() => nodeClock.after(delayMs, () => {}), { name: 'AssertionError' })
  }
})

test('a waiting timer does not keep the process alive', () => {
  const script = `import { nodeClock } from '${new URL('./node-clock.ts', import.meta.url)}'
    nodeClock.after(600_000, () => {})`
  execFileSync(process.execPath, ['--input-type=module', '-e', script], { timeout: 60_000 })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LateWatch } from './late-watch.ts'

test('what waits for too long is told once, in the order in which it became late', () => {
  const { watch, late, advance } = setup()
  watch.add('long', 1_000)
  watch.add('first', 200)
  watch.add('second', 200)
  advance(150)
  assert.deepEqual(late, [])
  advance(150)
  assert.deepEqual(late, ['first', 'second'])
  advance(2_000)
  assert.deepEqual(late, ['first', 'second', 'long'])
})

test('what heard in time is not told, also when it hears just before it is', () => {
  const { watch, late, advance, stall } = setup()
  watch.add('early', 200)
  watch.add('unread', 200)
  advance(100)
  watch.remove('early')
  stall(200)
  watch.remove('unread')
  advance(5_000)
  assert.deepEqual(late, [])
})

test('as long as this process is slow itself nothing is late', () => {
  const { watch, late, advance, stall } = setup()
  watch.add('one', 200)
  for (let turn = 0; turn < 50; turn++) stall(50)
  assert.deepEqual(late, [])
  advance(50)
  assert.deepEqual(late, ['one'])
})

test('what waits anew counts from then on, and none once it is closed', () => {
  const { watch, late, advance } = setup()
  watch.add('one', 200)
  advance(150)
  watch.add('one', 200)
  advance(150)
  assert.deepEqual(late, [])
  watch.close()
  advance(1_000)
  assert.deepEqual(late, [])
})

/** `advance`: timers run when they are due. `stall`: the process does something else meanwhile, and each runs at its end. */
function setup() {
  let nowMs = 1_000
  let timers: { dueAtMs: number; run: () => void }[] = []
  const late: string[] = []
  const take = (untilMs: number) => {
    const [next] = timers.filter(({ dueAtMs }) => dueAtMs <= untilMs).sort((a, b) => a.dueAtMs - b.dueAtMs)
    timers = timers.filter((timer) => timer !== next)
    return next
  }
  const clock = {
    elapsedMs: () => nowMs,
    after(delayMs: number, run: () => void) {
      const timer = { dueAtMs: nowMs + delayMs, run }
      timers.push(timer)
      return {
        cancel: () => {
          timers = timers.filter((other) => other !== timer)
        },
      }
    },
  }
  return {
    watch: new LateWatch<string>(clock, (item) => late.push(item)),
    late,
    advance(ms: number) {
      const endMs = nowMs + ms
      for (let next = take(endMs); next; next = take(endMs)) {
        nowMs = next.dueAtMs
        next.run()
      }
      nowMs = endMs
    },
    stall(ms: number) {
      nowMs += ms
      const due = timers.filter(({ dueAtMs }) => dueAtMs <= nowMs)
      timers = timers.filter((timer) => !due.includes(timer))
      for (const { run } of due) run()
    },
  }
}

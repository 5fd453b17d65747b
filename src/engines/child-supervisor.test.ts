import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock } from '#host/host.ts'
import type { ChildHandlers } from './child.ts'
import { ChildSupervisor } from './child-supervisor.ts'

test('restarts wait 200 ms, twice as long after each, and never more than 10 s', () => {
  const { supervisor, clock, children } = setup()
  supervisor.start()
  const waits: number[] = []
  for (let round = 0; round < 8; round++) {
    children.at(-1)?.exit()
    const before = clock.elapsedMs()
    const count = children.length
    while (children.length === count) clock.advance(1)
    waits.push(clock.elapsedMs() - before)
  }
  assert.deepEqual(waits, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000])
})

test('a minute of service makes the next restart prompt again', () => {
  const { supervisor, clock, children, downs } = setup()
  supervisor.start()
  for (let round = 0; round < 3; round++) {
    children.at(-1)?.exit()
    clock.advance(10_000)
  }
  supervisor.markServing()
  keepTalking(60_000)
  children.at(-1)?.exit()
  clock.advance(200)
  assert.equal(children.length, 5)
  assert.equal(downs.length, 4)

  function keepTalking(forMs: number): void {
    for (let passed = 0; passed < forMs; passed += 1000) {
      children.at(-1)?.handlers.onMessage('tick')
      clock.advance(1000)
    }
  }
})

test('silence is counted from the last message, and longer before the first', () => {
  const { supervisor, clock, children, downs } = setup()
  supervisor.start()
  clock.advance(59_000)
  children[0]?.handlers.onMessage('first')
  clock.advance(14_000)
  assert.equal(children[0]?.isKilled, false)
  clock.advance(2_000)
  assert.equal(children[0]?.isKilled, true)
  children[0]?.exit()
  assert.deepEqual(downs, ['said nothing for 15 s'])
})

test('a retired child is killed, tells nothing and is not followed by another', async () => {
  const { supervisor, clock, children, downs } = setup()
  supervisor.start()
  const retired = supervisor.retire()
  assert.equal(children[0]?.isKilled, true)
  children[0]?.exit()
  await retired
  clock.advance(60_000)
  assert.equal(children.length, 1)
  assert.deepEqual(downs, [])
  await supervisor.retire()
})

/** No process here dies at a given millisecond, so this one drives children and time by hand. */
function setup() {
  const clock = handClock()
  const children: { handlers: ChildHandlers; isKilled: boolean; exit: () => void }[] = []
  const downs: string[] = []
  const supervisor = new ChildSupervisor(
    {
      name: 'test',
      program: { module: new URL('file:///x.ts'), args: [] },
      silenceMsMax: 15_000,
      startMsMax: 60_000,
    },
    {
      clock,
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      children: {
        spawnChild(_program, handlers) {
          const child = {
            handlers,
            isKilled: false,
            exit: () => handlers.onExit({ code: 1, signal: null, lastWords: '' }),
          }
          children.push(child)
          return {
            pid: 1,
            send: () => undefined,
            kill: () => {
              child.isKilled = true
            },
          }
        },
      },
    },
    { onSpawn: () => undefined, onMessage: () => undefined, onDown: (reason) => downs.push(reason) },
  )
  return { supervisor, clock, children, downs }
}

function handClock(): Clock & { advance(byMs: number): void } {
  let nowMs = 0
  let timers: { dueMs: number; run: () => void }[] = []
  const clock = {
    nowMs: () => nowMs,
    elapsedMs: () => nowMs,
    after(delayMs: number, run: () => void) {
      const timer = { dueMs: nowMs + delayMs, run }
      timers.push(timer)
      return {
        cancel() {
          timers = timers.filter((other) => other !== timer)
        },
      }
    },
    advance(byMs: number) {
      const endMs = nowMs + byMs
      for (;;) {
        const [next] = timers.filter(({ dueMs }) => dueMs <= endMs).sort((a, b) => a.dueMs - b.dueMs)
        if (next === undefined) break
        timers = timers.filter((other) => other !== next)
        nowMs = next.dueMs
        next.run()
      }
      nowMs = endMs
    },
  }
  return clock
}

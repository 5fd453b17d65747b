import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TaskEngine } from '#engines/task-engine.ts'
import { createTestWorld } from '#sim/test-world.ts'
import { SessionShelf } from './session-shelf.ts'

test('two sessions stay open where what they took fits together', async () => {
  const { work, open, opened } = setup({ large: 60, small: 30 })
  await work('large')
  await work('small')
  // Nobody knew what the small one needs: it was open alone.
  assert.deepEqual(open(), ['small'])
  await work('large')
  assert.deepEqual(open(), ['small', 'large'])
  await work('small')
  assert.deepEqual(opened, ['large', 'small', 'large'])
})

test('what one took and another takes is never more than there is', async () => {
  const { work, open } = setup({ a: 80, b: 80 })
  for (const name of ['a', 'b', 'a', 'b']) {
    await work(name)
    assert.deepEqual(open(), [name])
  }
})

test('one that has grown closes the other before its next task', async () => {
  const needs = { a: 30, b: 30 }
  const { work, open } = setup(needs)
  for (const name of ['a', 'b', 'a']) await work(name)
  assert.deepEqual(open(), ['b', 'a'])
  needs.a = 90
  await work('a')
  await work('a')
  assert.deepEqual(open(), ['a'])
})

/** A machine that has 100 for tasks, and sessions by name that take so much of it. */
function setup(needs: Readonly<Record<string, number>>) {
  const { clock } = createTestWorld().machine('node').host
  const shelf = new SessionShelf(clock, { sessionsMax: 2, memoryBytesMax: 100, idleMs: 60_000 })
  const open = new Set<string>()
  const opened: string[] = []
  const engine: TaskEngine = {
    kind: 'command',
    open({ root }) {
      open.add(root)
      opened.push(root)
      return Promise.resolve({
        run: () =>
          Promise.resolve({ files: [], wallMs: 1, cpuMs: 1, peakBytes: needs[root] ?? 0, notes: {} }),
        close() {
          open.delete(root)
          return Promise.resolve()
        },
      })
    },
  }
  async function work(root: string): Promise<void> {
    const inputs = { root, retain: () => inputs, release: () => undefined }
    const session = await shelf.obtain({ engine, inputs, settings: {} })
    await session.run({ params: {}, outFolder: '/out' }, () => undefined, new AbortController().signal)
    shelf.rest()
  }
  return { work, open: () => [...open], opened }
}

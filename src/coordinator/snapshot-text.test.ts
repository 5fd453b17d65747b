import assert from 'node:assert/strict'
import { test } from 'node:test'
import { emptyState, formatState } from './coordinator-state.ts'
import { createSnapshotText } from './snapshot-text.ts'

const limits = { pauseMsMax: 1_000, charsMax: 10_000 }

test('a state within the limits is taken every time', () => {
  const { text, logged } = setup({ tookMs: 1_000 })
  assert.equal(text.take(emptyState()), formatState(emptyState()))
  assert.equal(text.take(emptyState()), formatState(emptyState()))
  assert.deepEqual(logged, [])
})

test('after one that took too long there is none, and the log says so once', () => {
  const { text, logged } = setup({ tookMs: 1_001 })
  assert.equal(text.take(emptyState()), formatState(emptyState()))
  assert.equal(text.take(emptyState()), null)
  assert.equal(text.take(emptyState()), null)
  assert.deepEqual(logged, ['snapshot.too_large'])
})

test('one that is too large is none', () => {
  const { text, logged } = setup({ charsMax: 10 })
  assert.equal(text.take(emptyState()), null)
  assert.deepEqual(logged, ['snapshot.too_large'])
})

function setup({ tookMs = 0, charsMax = limits.charsMax }) {
  const logged: string[] = []
  let nowMs = 0
  const clock = {
    elapsedMs() {
      nowMs += tookMs
      return nowMs
    },
  }
  const log = { info() {}, warn: (event: string) => void logged.push(event), error() {} }
  return { text: createSnapshotText({ clock, log }, { ...limits, charsMax }), logged }
}

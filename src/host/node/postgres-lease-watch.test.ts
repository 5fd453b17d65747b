import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LeaseWatch } from './postgres-lease-watch.ts'

const lease = { holder: 'one', leaseMs: 2_000, mark: '1:7', ageMs: 0 }

test('the term counts from the answer that showed a renewal to the question that finds none since', () => {
  const watch = new LeaseWatch()
  assert.equal(watch.remainingMs(lease, { askedMs: 100, heardMs: 600 }), 2_000)
  assert.equal(watch.remainingMs(lease, { askedMs: 700, heardMs: 2_600 }), 1_900)
  assert.equal(watch.remainingMs(lease, { askedMs: 2_599, heardMs: 9_000 }), 1)
  assert.equal(watch.remainingMs(lease, { askedMs: 2_600, heardMs: 9_000 }), 0)
})

test('a renewal begins the term anew, and so does another holder', () => {
  const watch = new LeaseWatch()
  watch.remainingMs(lease, { askedMs: 0, heardMs: 0 })
  assert.equal(watch.remainingMs({ ...lease, mark: '1:8' }, { askedMs: 1_900, heardMs: 1_900 }), 2_000)
  assert.equal(watch.remainingMs({ ...lease, mark: '2:9' }, { askedMs: 3_800, heardMs: 3_800 }), 2_000)
})

test('what the clock of the server says decides nothing', () => {
  const watch = new LeaseWatch()
  for (const ageMs of [-3_600_000, 0, 3_600_000]) {
    assert.equal(watch.remainingMs({ ...lease, ageMs }, { askedMs: 500, heardMs: 500 }), 2_000)
  }
})

test('where nobody leads, nobody is waited for', () => {
  assert.equal(new LeaseWatch().remainingMs({ ...lease, holder: '' }, { askedMs: 0, heardMs: 0 }), 0)
})

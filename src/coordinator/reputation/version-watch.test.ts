import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MINUTE_MS } from '#kernel/time.ts'
import { createVersionWatch } from './version-watch.ts'

test('a version that fails on several nodes while others do well is found within the minute', () => {
  const { see, failing } = setup()
  see('1', 18, { good: 2 })
  for (let second = 0; second < 20; second++) see('2', 2, { bad: 1, second })
  assert.deepEqual(
    failing(20).map(({ agentVersion }) => agentVersion),
    ['2'],
  )
})

test('one bad node is no bad version, however often it fails', () => {
  const { see, failing } = setup()
  see('1', 18, { good: 2 })
  for (let second = 0; second < 30; second++) see('2', 1, { bad: 3, second })
  assert.deepEqual(failing(30), [])
})

test('a machine that takes many answers with it has failed once', () => {
  const { see, failing } = setup()
  see('1', 18, { good: 2 })
  see('2', 2, { bad: 8 })
  assert.deepEqual(failing(1), [])
})

test('where all versions fail alike none is at fault, and where there is but one there is nothing to compare', () => {
  const { see, failing } = setup()
  for (let second = 0; second < 20; second++) see('1', 3, { bad: 1, good: 1, second })
  assert.deepEqual(failing(20), [])
  for (let second = 0; second < 20; second++) see('2', 3, { bad: 1, good: 1, second })
  assert.deepEqual(failing(20), [])
})

test('what was a minute ago counts no more', () => {
  const { see, failing } = setup()
  for (let second = 0; second < 20; second++) see('2', 2, { bad: 1, second })
  see('1', 18, { good: 2, second: 85 })
  see('2', 2, { good: 20, second: 85 })
  assert.deepEqual(failing(86), [])
})

test('one owner alone halts no version that others run, and its own where nobody else does', () => {
  const { see, failing } = setup()
  see('1', 18, { good: 2 })
  see('2', 20, { good: 1, owner: 'another' })
  for (let second = 0; second < 20; second++) see('2', 3, { bad: 1, second, owner: 'one' })
  assert.deepEqual(failing(20), [])
  const alone = setup()
  alone.see('1', 18, { good: 2 })
  for (let second = 0; second < 20; second++) alone.see('2', 3, { bad: 1, second, owner: 'one' })
  assert.deepEqual(
    alone.failing(20).map(({ agentVersion }) => agentVersion),
    ['2'],
  )
})

test('a halted version has recovered after ten minutes and twenty answers in which it does not fail more than others', () => {
  const { watch, see } = setup()
  see('2', 2, { bad: 1, second: 5 })
  see('2', 2, { good: 9, second: 300 })
  assert.equal(watch.hasRecovered('2', 5_000, 11 * MINUTE_MS), false, 'too few answers')
  see('2', 2, { good: 1, second: 301 })
  assert.equal(watch.hasRecovered('2', 5_000, 10 * MINUTE_MS), false, 'too soon')
  assert.equal(watch.hasRecovered('2', 5_000, 5_000 + 10 * MINUTE_MS), true)
  for (let second = 700; second < 705; second++) see('2', 2, { bad: 1, second })
  assert.equal(watch.hasRecovered('2', 5_000, 705_000), false, 'it failed again')
})

test('where hundreds run a halted version, the answers that always fail somewhere do not keep it halted', () => {
  const { watch, see } = setup()
  for (let second = 0; second < 700; second += 10) {
    see('1', 20, { good: 5, second })
    see('2', 100, { good: 2, second })
    see('2', 1, { bad: 1, second })
  }
  assert.equal(watch.hasRecovered('2', 5_000, 700_000), true)
})

function setup() {
  const watch = createVersionWatch()
  return {
    watch,
    /** On each of so many nodes that run `version`. */
    see(version: string, nodes: number, { good = 0, bad = 0, second = 0, owner = '' }) {
      for (let node = 0; node < nodes; node++) {
        const seen = { nodeId: `${version}-${owner}-${node}`, organisationId: owner || `owner-${node}` }
        for (let count = 0; count < good; count++) watch.saw(version, seen, true, second * 1_000)
        for (let count = 0; count < bad; count++) watch.saw(version, seen, false, second * 1_000)
      }
    },
    failing: (second: number) => watch.failing(second * 1_000),
  }
}

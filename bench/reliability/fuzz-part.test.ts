import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deathOf } from '../../test/fuzz/fuzz-network.ts'
import { leaveOut, newSamples } from '../../test/fuzz/good-traffic.ts'
import { judge } from '../../test/fuzz/http-surfaces.ts'
import { surfaceNames } from '../../test/fuzz/surface.ts'
import { readFuzz } from './fuzz-part.ts'
import { contradictionOf, verdictOf } from './run-part.ts'
import { none } from './scenario.ts'

const failedOf = (stdout: string) =>
  readFuzz(stdout)
    .checks.filter(({ isPassed }) => !isPassed)
    .map(({ what }) => what)

test('a run in which every surface was fuzzed and nothing was wrong passes', () => {
  assert.deepEqual(failedOf(printed({})), [])
})

test('a run that ended before its last surface is no result', () => {
  const lines = printed({}).split('\n').slice(0, -1).join('\n')
  assert.throws(() => readFuzz(lines), /of 7 surfaces these were not fuzzed to the end: receipts/)
  assert.throws(() => readFuzz(''), /http-json/)
})

test('a coordinator that was replaced, or is gone, is a bug', () => {
  assert.deepEqual(deathOf(7, 7), [])
  assert.deepEqual(deathOf(7, 8), ['the coordinator was started again'])
  assert.deepEqual(deathOf(7, null), ['the coordinator ended, and nobody took its place'])
  assert.deepEqual(failedOf(printed({ bugs: deathOf(7, 8) })), [
    'bugs in the log, and deaths of the coordinator',
  ])
})

test('calls of good callers that failed, and good callers who had no answer at all, are seen', () => {
  const felt = { health: { count: 9, p99Ms: 5 }, chat: { count: 9, p99Ms: 5 }, failed: 0 }
  assert.deepEqual(failedOf(printed({ felt: { inOrder: felt, meanwhile: { ...felt, failed: 1 } } })), [
    'calls of good callers that failed beside it',
  ])
  const silent = { ...felt, chat: { count: 0, p99Ms: 0 } }
  const lines = printed({ felt: { inOrder: felt, meanwhile: silent } })
  assert.throws(() => readFuzz(lines), /no call of chat was answered/)
})

test('a good call that is left out for those that stand still is felt as long as these', () => {
  const samples = newSamples()
  samples.underWay.add({ startedMs: 100 }).add({ startedMs: 300 })
  leaveOut(samples, 1_100)
  assert.deepEqual(samples.ms, [1_000])
})

test('a connection that closes without a word answers no call in HTTP, and a 5xx is told apart', () => {
  const closed = { status: null, body: '', isClosed: true }
  assert.deepEqual(judge(closed, { isWork: false, isHttp: true }), { complaint: 'closed without an answer' })
  assert.deepEqual(judge(closed, { isWork: true, isHttp: true }), { complaint: 'closed without an answer' })
  assert.equal(judge(closed, { isWork: false, isHttp: false }), 'refused')
  const busy = { status: 503, body: '{"error":{"code":"unavailable"}}', isClosed: false }
  assert.equal(judge(busy, { isWork: true, isHttp: true }), 'unavailable')
})

test('a program that ends with an error although all that it printed passed is broken', () => {
  const reading = (found: number) => ({ figures: {}, checks: [none('lost', found)], notRun: [] })
  assert.equal(contradictionOf(reading(0), 0), null)
  assert.equal(contradictionOf(reading(1), 1), null)
  const problem = contradictionOf(reading(0), 1)
  assert.match(problem ?? '', /ended with 1 instead of 0/)
  assert.equal(verdictOf(reading(0), problem, { code: 1, stderr: '' }), 'broken')
})

function printed(change: object): string {
  const line = {
    felt: null,
    residentBeforeMib: 100,
    residentAfterMib: 101,
    bugs: [],
    ...change,
  }
  return surfaceNames
    .map((surface) =>
      JSON.stringify({ ...line, run: { surface, count: 500, failed: 0, held: 0, unavailable: 0 } }),
    )
    .join('\n')
}

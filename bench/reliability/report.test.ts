import assert from 'node:assert/strict'
import { test } from 'node:test'
import { machineState } from '../parts/machine.ts'
import type { PartResult, Verdict } from './part.ts'
import { merge, rowResult, tableOf } from './report.ts'
import { rows } from './rows.ts'
import { shareText } from './share-text.ts'

test('a row is as good as the worst of its parts, and one without parts was not run', () => {
  const verdictOf = (...verdicts: Verdict[]) => rowResult(row, verdicts.map(part), machineState()).verdict
  assert.equal(verdictOf('passed', 'passed'), 'passed')
  assert.equal(verdictOf('passed', 'missing'), 'missing')
  assert.equal(verdictOf('missing', 'missed', 'passed'), 'missed')
  assert.equal(verdictOf('missed', 'broken'), 'broken')
  assert.equal(verdictOf(), 'not run')
})

test('the table has a line for each part and for each thing that was not run, with figure and bound', () => {
  const result = rowResult({ ...row, notRun: ['leases'] }, [part('passed'), part('missed')], machineState())
  const lines = tableOf({ rows: [result] }).split('\n')
  assert.equal(lines.length, 5)
  assert.match(
    lines[2] ?? '',
    /^\| F0 a fault \| real \| lost: 3 \(0\) \| passed \(short run\) \| `node x` \|/,
  )
  assert.match(lines[3] ?? '', /\| \*\*missed\*\* \|/)
  assert.match(lines[4] ?? '', /\| leases \| not run \|/)
})

test('a run of some rows takes the place of these alone, in the order of the matrix', () => {
  const [one, two] = ['F1', 'F2'].map((id) => rowResult({ ...row, id }, [part('missed')], machineState()))
  assert(one && two)
  const again = rowResult({ ...row, id: 'F1' }, [part('passed')], machineState())
  const merged = merge({ rows: [two, one] }, { rows: [again] }, ['F1', 'F2'])
  assert.deepEqual(
    merged.rows.map(({ id, verdict }) => [id, verdict]),
    [
      ['F1', 'passed'],
      ['F2', 'missed'],
    ],
  )
})

test('every row of the matrix is there: with programs, or with the reason why not', () => {
  const ids = rows.map(({ id }) => id)
  assert.deepEqual(
    ids.slice(0, 20),
    Array.from({ length: 20 }, (_, index) => `F${index + 1}`),
  )
  for (const { id, parts, notRun = [] } of rows) assert(parts.length + notRun.length > 0, id)
})

test('a share is told with what it leaves open', () => {
  assert.equal(shareText(10_000, 10_000), '100.00 % (95 %: 99.962 to 100.00 %, 10,000 of 10,000)')
  assert.equal(shareText(0, 0), 'none of none')
})

const row = { id: 'F0', fault: 'a fault', parts: [] }

const part = (verdict: Verdict): PartResult => ({
  level: 'real',
  name: 'x',
  command: 'node x',
  verdict,
  seed: 1,
  isQuick: true,
  commit: 'abc',
  seconds: 1,
  measuredAt: '2026-01-01T00:00:00.000Z',
  problem: null,
  figures: {},
  checks: [{ what: 'lost', found: '3', pass: '0', isPassed: verdict === 'passed' }],
  notRun: [],
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { machineState } from '../parts/machine.ts'
import type { Part, PartResult, Verdict } from './part.ts'
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
  const matrix = [{ ...row, parts: [program('x'), program('y')], notRun: ['leases'] }]
  const [only] = matrix
  assert(only)
  const lines = tableOf({ rows: [rowResult(only, [part('missed')], machineState())] }, matrix).split('\n')
  assert.equal(lines.length, 5)
  assert.match(
    lines[2] ?? '',
    /^\| \*\*F0\*\* a fault \| real \| lost: 3 \(0\) \| \*\*missed\*\* \(short run\) \| `node x` \|/,
  )
  assert.match(lines[3] ?? '', /^\| F0 \| real \| {2}\| no run published \| `--rows F0 --parts 'y'` \|/)
  assert.match(lines[4] ?? '', /\| leases \| not run \|/)
})

test('a run of some parts takes the place of these alone', () => {
  const matrix = [{ ...row, id: 'F1', parts: [program('x'), program('y')] }]
  const [only] = matrix
  assert(only)
  const of = (...parts: PartResult[]) => ({ rows: [rowResult(only, parts, machineState())] })
  const before = of(part('missed'), { ...part('passed'), name: 'y' })
  const merged = merge(before, of(part('passed')), matrix)
  assert.deepEqual(
    merged.rows.map(({ verdict, parts }) => [verdict, parts.map(({ name, verdict: one }) => [name, one])]),
    [
      [
        'passed',
        [
          ['x', 'passed'],
          ['y', 'passed'],
        ],
      ],
    ],
  )
  assert.deepEqual(merge({ rows: [] }, { rows: [] }, matrix).rows, [], 'what never ran has no result')
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

const program = (name: string): Part => ({
  level: 'real',
  name,
  limitMinutes: 1,
  command: () => [name],
  read: () => ({ figures: {}, checks: [], notRun: [] }),
})

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

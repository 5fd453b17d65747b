import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readStatusLines } from './status-lines.ts'

test('what a program says of itself is read without the blanks around it', () => {
  const fractions: number[] = []
  const lines = readStatusLines((fraction) => fractions.push(fraction))
  lines.read('openjd_progress:  25 \r\nopenjd_sta')
  lines.read('tus:\tnearly there\r\nopenjd_fail:no light\nopenjd_other: x\nopenjd_progress: 12\n')
  assert.deepEqual([fractions, lines.status, lines.failure], [[0.25], 'nearly there', 'no light'])
})

test('a line of blanks is read at once', () => {
  const lines = readStatusLines(() => undefined)
  lines.read(`openjd_status: x${' '.repeat(2_000_000)}y\n`)
  assert.equal(lines.status?.slice(0, 3), 'x  ')
})

test('the last line counts without a line feed', () => {
  const lines = readStatusLines(() => undefined)
  lines.read('openjd_status: one\nopenjd_fail: the licence is gone')
  assert.equal(lines.failure, null)
  lines.end()
  assert.deepEqual([lines.status, lines.failure], ['one', 'the licence is gone'])
})

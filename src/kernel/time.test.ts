import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DAY_MS, formatDuration, HOUR_MS, MINUTE_MS, SECOND_MS } from './time.ts'

test('a duration is written in the unit that people would use', () => {
  const written = [
    [0, '0 ms'],
    [0.4, '0 ms'],
    [820, '820 ms'],
    [SECOND_MS, '1.0 s'],
    [4_200, '4.2 s'],
    [MINUTE_MS, '1 min 0 s'],
    [200_000, '3 min 20 s'],
    [2 * HOUR_MS + 5 * MINUTE_MS, '2 h 5 min'],
    [DAY_MS, '24 h 0 min'],
  ] as const
  for (const [durationMs, text] of written) assert.equal(formatDuration(durationMs), text)
})

test('no duration is rounded up to what has a unit of its own', () => {
  const written = [
    [999.7, '999 ms'],
    [59_999, '59.9 s'],
    [HOUR_MS - 1, '59 min 59 s'],
  ] as const
  for (const [durationMs, text] of written) assert.equal(formatDuration(durationMs), text)
})

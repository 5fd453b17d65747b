import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeTimeZones } from './node-time-zones.ts'

const of2026 = { fromMs: Date.UTC(2026, 0, 1), toMs: Date.UTC(2027, 0, 1) }

test('the clocks change at the right minute, in both halves of the world', () => {
  const zones: [name: string, offsets: readonly (readonly [from: string, minutes: number])[]][] = [
    [
      'Europe/Berlin',
      [
        ['2026-01-01T00:00Z', 60],
        ['2026-03-29T01:00Z', 120],
        ['2026-10-25T01:00Z', 60],
      ],
    ],
    [
      'America/New_York',
      [
        ['2026-01-01T00:00Z', -300],
        ['2026-03-08T07:00Z', -240],
        ['2026-11-01T06:00Z', -300],
      ],
    ],
    [
      'Australia/Lord_Howe',
      [
        ['2026-01-01T00:00Z', 660],
        ['2026-04-04T15:00Z', 630],
        ['2026-10-03T15:30Z', 660],
      ],
    ],
    ['Asia/Kolkata', [['2026-01-01T00:00Z', 330]]],
    ['UTC', [['2026-01-01T00:00Z', 0]]],
  ]
  for (const [name, offsets] of zones)
    assert.deepEqual(
      nodeTimeZones.offsets(name, of2026),
      offsets.map(([from, minutes]) => ({ fromAtMs: Date.parse(from), minutes })),
      name,
    )
})

test('what is no place has no offsets', () => {
  for (const name of ['Europe/Berln', '', '+01:00', 'Mars', '../etc'])
    assert.equal(nodeTimeZones.offsets(name, of2026), null, name)
})

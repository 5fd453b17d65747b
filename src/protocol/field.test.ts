import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TimestampMs } from './field.ts'
import { AnnounceMaintenance, OpenIncident } from './sla-api.ts'

test('an instant is one of the calendar, and what is in another unit is refused', () => {
  const last = Date.UTC(9_999, 11, 31, 23, 59, 59, 999)
  assert.equal(TimestampMs.parse(last), last)
  for (const wrong of [last + 1, 9_000_000_000_000_000, -1, 0.5])
    assert.equal(TimestampMs.safeParse(wrong).success, false, `${wrong}`)
})

test('maintenance and incidents take no instant in microseconds', () => {
  const fromMs = Date.UTC(2026, 11, 1)
  const window = { title: 'Disks', fromMs, toMs: fromMs + 60_000 }
  assert.equal(AnnounceMaintenance.safeParse(window).success, true)
  assert.equal(AnnounceMaintenance.safeParse({ ...window, toMs: window.toMs * 1_000 }).success, false)
  const micro = { ...window, fromMs: window.fromMs * 1_000, toMs: window.toMs * 1_000 }
  assert.equal(AnnounceMaintenance.safeParse(micro).success, false)
  assert.equal(OpenIncident.safeParse({ title: 'Away', startedAtMs: fromMs * 1_000 }).success, false)
})

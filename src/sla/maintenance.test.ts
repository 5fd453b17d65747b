import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HOUR_MS, MINUTE_MS } from '#kernel/time.ts'
import { BIN_MS, type Span, spanOfMonth, uptimeOf } from './bins.ts'
import { MAINTENANCE_MS_MAX, maintenanceIn, NOTICE_MS_MIN } from './decide-sla.ts'
import { maintenanceOf } from './sla.ts'
import { NOVEMBER, testSla } from './test-sla.ts'

const FIRST = NOVEMBER + NOTICE_MS_MIN

test('maintenance is bounded by the bins that it leaves out, however short its windows are', () => {
  const { sla, announce } = setup()
  const windows = Array.from({ length: 200 }, (_, index) => FIRST + index * BIN_MS)
  const refused = windows.filter((fromMs) => announce({ fromMs, toMs: fromMs + 1 }) !== null)
  assert.deepEqual([sla.maintenance.size, refused.length], [96, 104])
  const { binsExcluded } = uptimeOf({ month: '2026-11', bins: [], maintenance: maintenanceOf(sla) })
  assert.equal(binsExcluded, 96)
})

test('windows in one bin leave out one bin', () => {
  const { announce } = setup()
  for (let second = 0; second < 100; second++) {
    const fromMs = FIRST + second * 1_000
    assert.equal(announce({ fromMs, toMs: fromMs + 1_000 }), null)
  }
})

test('eight hours may begin within a bin, and that is one bin more and no other', () => {
  const { announce } = setup()
  const fromMs = FIRST + 2 * MINUTE_MS
  assert.equal(announce({ fromMs, toMs: fromMs + MAINTENANCE_MS_MAX }), null)
  const more = fromMs + 2 * MAINTENANCE_MS_MAX
  assert.equal(announce({ fromMs: more, toMs: more + 1 }), 'maintenance_too_long')
})

test('what runs into the next month counts there from its first bin', () => {
  const december = spanOfMonth('2026-12').fromMs
  const over = { fromMs: december - HOUR_MS - 1, toMs: december + HOUR_MS }
  assert.deepEqual(maintenanceIn([over], '2026-11'), { bins: 13, binsMax: 97 })
  assert.deepEqual(maintenanceIn([over], '2026-12'), { bins: 12, binsMax: 96 })
})

function setup() {
  const { sla, run, refusal } = testSla()
  let count = 0
  return {
    sla,
    /** Why it is refused. */
    announce(span: Span) {
      const maintenanceId = `m${++count}`
      const asked = { kind: 'announce_maintenance', maintenanceId, title: 'Disks', nowMs: NOVEMBER } as const
      const why = refusal({ ...asked, ...span })
      if (why === null) run({ ...asked, ...span })
      return why
    },
  }
}

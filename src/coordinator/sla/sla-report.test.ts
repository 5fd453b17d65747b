import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '#kernel/time.ts'
import { BIN_MS } from '#sla/bins.ts'
import { NOVEMBER, testSla } from '#sla/test-sla.ts'
import { PPB } from '#sla/tiers.ts'
import { renderStatusPage } from './render-status-page.ts'
import { statusPage } from './sla-report.ts'

test('an outage is a whole loss of its bins, also of those that nobody reached and of those that were answered', () => {
  const { ask, outage, page } = setup()
  ask(9 * HOUR_MS, 20)
  ask(10 * HOUR_MS, 5)
  outage(10 * HOUR_MS, 14 * HOUR_MS)
  const { state, bins, days } = page(20 * HOUR_MS)
  assert.equal(state, 'operational')
  assert.equal(bins.length, 49)
  assert.deepEqual(bins.slice(0, 3), [
    { startMs: NOVEMBER + 9 * HOUR_MS, valid: 20, errors: 0, availabilityPpb: PPB },
    { startMs: NOVEMBER + 10 * HOUR_MS, valid: 5, errors: 0, availabilityPpb: 0 },
    { startMs: NOVEMBER + 10 * HOUR_MS + BIN_MS, valid: 0, errors: 0, availabilityPpb: 0 },
  ])
  // Four hours of the twenty that are over.
  assert.deepEqual(days, [{ startMs: NOVEMBER, valid: 25, errors: 0, availabilityPpb: 0.8 * PPB }])
})

test('what failed in an outage is not lost twice, neither while its bins are kept nor once they are not', () => {
  const { ask, outage, page } = setup()
  for (let atMs = 6 * HOUR_MS; atMs < 12 * HOUR_MS; atMs += BIN_MS) ask(atMs, 10, 10)
  outage(6 * HOUR_MS, 12 * HOUR_MS)
  assert.equal(page(DAY_MS).days[0]?.availabilityPpb, 0.75 * PPB)
  ask(4 * DAY_MS, 1)
  const { days, bins } = page(4 * DAY_MS + HOUR_MS)
  assert.equal(days[0]?.availabilityPpb, 0.75 * PPB)
  assert.equal(bins.length, 1)
})

test('days of an outage without a request are days, and one that goes on counts up to now', () => {
  const { outage, page } = setup()
  outage(DAY_MS - HOUR_MS, null)
  const { state, days, bins } = page(DAY_MS + 2 * HOUR_MS + 1)
  assert.equal(state, 'outage')
  const day = { valid: 0, errors: 0 }
  assert.deepEqual(days, [
    { ...day, startMs: NOVEMBER, availabilityPpb: Math.floor((23 / 24) * PPB) },
    { ...day, startMs: NOVEMBER + DAY_MS, availabilityPpb: 0 },
  ])
  assert.equal(bins.length, 3 * 12 + 1)
  const html = renderStatusPage(page(DAY_MS + 2 * HOUR_MS))
  assert.match(html, /2026-11-02: 0\.000\u00a0%, 0 requests, 0 failed, an outage/)
  assert.match(
    html,
    /47\.916\u00a0% available on the 2 days with requests or an outage: 0 requests, 0 failed/,
  )
})

test('maintenance takes its bins out of an outage', () => {
  const { run, outage, page } = setup()
  const window = { fromMs: NOVEMBER + 2 * DAY_MS, toMs: NOVEMBER + 2 * DAY_MS + HOUR_MS }
  run({ kind: 'announce_maintenance', maintenanceId: 'm', title: 'Disks', ...window, nowMs: NOVEMBER })
  outage(2 * DAY_MS, 2 * DAY_MS + 2 * HOUR_MS)
  assert.equal(page(2 * DAY_MS + 4 * HOUR_MS).days[0]?.availabilityPpb, 0.75 * PPB)
})

test('an outage that is told of after its bins are forgotten has lost them once', () => {
  const { ask, page, outageThatIsOver } = setup()
  for (let atMs = 0; atMs < 4 * HOUR_MS; atMs += BIN_MS) ask(atMs, 4, 4)
  page(4 * HOUR_MS)
  ask(3 * DAY_MS, 1)
  page(3 * DAY_MS + HOUR_MS)
  const without = page(3 * DAY_MS + HOUR_MS).days[0]?.availabilityPpb
  assert.equal(without, Math.floor((20 / 24) * PPB))
  outageThatIsOver(0, 4 * HOUR_MS, 3 * DAY_MS + HOUR_MS)
  assert.equal(page(3 * DAY_MS + HOUR_MS).days[0]?.availabilityPpb, without)
})

test('where the last requests failed not everything works, however few they are', () => {
  const { ask, page } = setup()
  ask(10 * HOUR_MS, 1, 1)
  assert.equal(page(10 * HOUR_MS + MINUTE_MS).state, 'operational', 'a bin that goes on says nothing yet')
  assert.equal(page(10 * HOUR_MS + BIN_MS).state, 'degraded')
  assert.equal(page(10 * HOUR_MS + 50 * MINUTE_MS).state, 'degraded')
  ask(10 * HOUR_MS + 50 * MINUTE_MS, 18)
  assert.equal(page(10 * HOUR_MS + 55 * MINUTE_MS).state, 'degraded', 'one of 19 is more than 5 %')
  ask(10 * HOUR_MS + 55 * MINUTE_MS, 2)
  assert.equal(page(11 * HOUR_MS).state, 'operational')
  ask(12 * HOUR_MS, 1, 1)
  assert.equal(page(12 * HOUR_MS + BIN_MS).state, 'degraded')
  assert.equal(page(13 * HOUR_MS + BIN_MS).state, 'operational', 'of an hour ago it says nothing of now')
})

/** Times are since the month began. */
function setup() {
  const { sla, run, count } = testSla()
  let [requests, incidents] = [0, 0]
  return {
    run,
    ask(atMs: number, valid: number, errors = 0) {
      for (let index = 0; index < valid; index++) {
        const failed = index < errors && ({ outcome: 'failed', problem: 'node_failed' } as const)
        count({ requestId: `req_${++requests}`, startedAtMs: NOVEMBER + atMs, slaClass: 'none', ...failed })
      }
    },
    outageThatIsOver(fromMs: number, toMs: number, toldAtMs: number) {
      const span = { startedAtMs: NOVEMBER + fromMs, endedAtMs: NOVEMBER + toMs }
      const told = { incidentId: 'inc_late', title: 'Away', isOutage: true, ...span }
      run({ kind: 'open_incident', ...told, nowMs: NOVEMBER + toldAtMs })
    },
    outage(fromMs: number, toMs: number | null) {
      const incidentId = `inc_${++incidents}`
      const told = { incidentId, title: 'Away', isOutage: true, startedAtMs: NOVEMBER + fromMs }
      run({ kind: 'open_incident', ...told, nowMs: NOVEMBER + fromMs })
      if (toMs !== null) run({ kind: 'close_incident', incidentId, nowMs: NOVEMBER + toMs })
    },
    page(atMs: number) {
      const nowMs = NOVEMBER + atMs
      run({ kind: 'step', nowMs: nowMs + MINUTE_MS })
      return statusPage(sla, { network: 'local', nowMs })
    },
  }
}

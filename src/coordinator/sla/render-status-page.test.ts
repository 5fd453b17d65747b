import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '#kernel/time.ts'
import type { StatusPage } from '#protocol/sla-api.ts'
import { PPB } from '#sla/tiers.ts'
import { renderStatusPage } from './render-status-page.ts'

test('an incident without a failed request of the last hour is not told as requests that fail', () => {
  const degraded = { state: 'degraded' as const, incidents: [incident] }
  assert.match(textOf(degraded), /An incident is open\. /)
  assert.match(textOf({ ...degraded, bins: [bin(5 * MINUTE_MS, 0)] }), /An incident is open\. /)
  assert.match(textOf({ ...degraded, bins: [bin(2 * HOUR_MS, 3)] }), /An incident is open\. /)
  assert.match(textOf({ ...degraded, bins: [bin(5 * MINUTE_MS, 3)] }), /Some requests fail\. /)
  assert.match(textOf({ ...degraded, state: 'outage' }), /The network cannot serve\. /)
})

test('the share of 90 days is that of the days with requests', () => {
  assert.match(textOf({}), /No requests yet\. A bar/)
  const half = { startMs: NOW_MS - DAY_MS, valid: 10, errors: 5, availabilityPpb: PPB / 2 }
  assert.match(
    textOf({ days: [half] }),
    /50\.000\u00a0% available on the one day with requests: 10 requests, 5 failed\./,
  )
  const whole = { startMs: NOW_MS, valid: 4, errors: 0, availabilityPpb: PPB }
  assert.match(
    textOf({ days: [half, whole] }),
    /75\.000\u00a0% available on the 2 days with requests: 14 requests, 5 failed\./,
  )
})

test('an open incident says since when, a closed one from when to when', () => {
  assert.match(textOf({ incidents: [incident] }), /since 2026-11-23 09:41 UTC, open, told by its operator/)
  const closed = { ...incident, endedAtMs: NOW_MS, by: 'network' } as const
  assert.match(
    textOf({ incidents: [closed] }),
    /2026-11-23 09:41 – 2026-11-23 10:00 UTC, found by the network itself/,
  )
})

test('no line may break between a number and its per cent, and no file is named that a visitor cannot open', () => {
  const html = renderStatusPage({ ...quiet, bins: [bin(5 * MINUTE_MS, 1)] })
  assert.doesNotMatch(html, / %|\.md/)
})

const NOW_MS = Date.UTC(2026, 10, 23, 10, 0)

const quiet: StatusPage = {
  network: 'local',
  state: 'operational',
  atMs: NOW_MS,
  bins: [],
  days: [],
  incidents: [],
  maintenance: [],
}

const incident: StatusPage['incidents'][number] = {
  incidentId: 'inc_1',
  title: 'A cable was cut',
  isOutage: false,
  by: 'operator',
  startedAtMs: NOW_MS - 19 * MINUTE_MS,
  endedAtMs: null,
  notes: [],
}

const bin = (agoMs: number, errors: number): StatusPage['bins'][number] => ({
  startMs: NOW_MS - agoMs,
  valid: 20,
  errors,
  availabilityPpb: PPB,
})

/** What a visitor reads. */
const textOf = (page: Partial<StatusPage>): string =>
  renderStatusPage({ ...quiet, ...page }).replace(/<(?:[^">]|"[^"]*")*>/g, '')

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CoordinatorEvent } from '#coordinator/coordinator-events.ts'
import { HOUR_MS } from '#kernel/time.ts'
import { runMonth } from './month-run.ts'
import { recount } from './recount.ts'

test('credits of a bad month are what anybody works out from the raw readings, and reach every account within a day', async () => {
  const plan = { machines: 4, customers: 6, requests: 400, days: 0.5, outageMs: 8 * HOUR_MS }
  const { customers, postedAfterMs, failed } = await runMonth(1, plan)
  assert.equal(customers.length, 6)
  assert.ok(failed > 100)
  for (const { uptimePpb, targetPpb, posted, received, recounted } of customers) {
    assert.equal(BigInt(uptimePpb), recounted.uptime)
    assert.equal(posted, recounted.credit)
    assert.equal(received, posted)
    assert.equal(posted > 0n, uptimePpb < targetPpb)
  }
  assert.ok(customers.some(({ posted }) => posted > 0n))
  assert.ok(postedAfterMs > 0 && postedAfterMs < 24 * HOUR_MS)
})

test('a recount takes only what was promised, and late readings as of when they came', () => {
  const fromMs = Date.UTC(2027, 1)
  const toMs = Date.UTC(2027, 2)
  const usage = (startedAtMs: number, facts: object, atMs = startedAtMs + 1_000): CoordinatorEvent =>
    ({
      ...{ type: 'usage.recorded', spoolId: 'spool', cost: 100n, atMs },
      record: { requestId: `r${startedAtMs}`, organisationId: 'a', startedAtMs, totalMs: 10, ...facts },
    }) as unknown as CoordinatorEvent
  const events = [
    { type: 'sla.class_set', organisationId: 'a', slaClass: 'enterprise', atMs: 0 } as CoordinatorEvent,
    usage(fromMs, { outcome: 'completed' }),
    usage(fromMs + 1, { outcome: 'failed', problem: 'no_capacity_at_all' }),
    usage(fromMs + 2, { outcome: 'failed', problem: 'invalid_request' }),
    usage(fromMs + 3, { outcome: 'failed', exempt: 'free' }),
    usage(fromMs + 4, { outcome: 'cancelled', firstTokenMs: null }),
    usage(fromMs - 7 * HOUR_MS, { outcome: 'completed' }, fromMs + HOUR_MS),
    usage(fromMs - HOUR_MS, { outcome: 'completed' }),
  ]
  const told = recount(events, { fromMs, toMs }).get('a')
  const bins = (28n * 24n * 60n) / 5n
  assert.equal(told?.uptime, (bins * 1_000_000_000n - 333_333_334n) / bins)
  assert.deepEqual([told?.errors, told?.charges, told?.credit], [1, 600n, 0n])
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HOUR_MS, MINUTE_MS } from '#kernel/time.ts'
import { BIN_MS, monthOf, spanOfMonth } from './bins.ts'
import { countOf, countOfProblem } from './count.ts'
import { MAINTENANCE_MS_MAX, NOTICE_MS_MIN } from './decide-sla.ts'
import { evolveSla } from './evolve-sla.ts'
import {
  BIN_KEPT_MS,
  countKey,
  downStartsOf,
  type MonthCount,
  OPEN_SILENT_MS,
  STATEMENTS_KEPT_MONTHS,
} from './sla.ts'
import { NOVEMBER, type TestSla, testSla } from './test-sla.ts'

test('what counts, and what does not, with its reason', () => {
  const done = { outcome: 'completed', firstTokenMs: 100, totalMs: 500 } as const
  const left = { outcome: 'cancelled', firstTokenMs: null, totalMs: 500, firstTokenDueMs: 30_000 } as const
  const failed = (problem: string) => ({ ...done, outcome: 'failed', problem }) as const
  const reasonOf = (counted: ReturnType<typeof countOf>) =>
    counted.kind === 'not_counted'
      ? counted.reason
      : counted.kind === 'error'
        ? `!${counted.problem}`
        : 'good'
  for (const [record, cost, expected] of [
    [done, 1n, 'good'],
    [done, 0n, 'unpaid'],
    [{ ...done, exempt: 'free' }, 1n, 'free'],
    [{ ...failed('node_failed'), exempt: 'free' }, 0n, 'free'],
    [{ ...failed('node_failed'), exempt: 'restricted' }, 0n, 'restricted'],
    [{ ...failed('node_failed'), exempt: 'own_node' }, 0n, 'own_node'],
    [{ ...failed('node_failed'), exempt: 'batch' }, 0n, 'batch'],
    [left, 5n, 'client_abort'],
    [{ ...left, totalMs: 29_999 }, 5n, 'client_abort'],
    [{ ...left, totalMs: 30_000 }, 5n, '!first_token_late'],
    [{ ...left, totalMs: 90_000, firstTokenMs: 5 }, 5n, 'client_abort'],
    [{ ...left, totalMs: 90_000, firstTokenDueMs: undefined }, 5n, 'client_abort'],
    [failed('node_failed'), 0n, '!node_failed'],
    [failed('node_timeout'), 0n, '!node_timeout'],
    [failed('no_node_available'), 0n, '!no_node_available'],
    [failed('overloaded'), 0n, '!overloaded'],
    [failed('unavailable'), 0n, '!unavailable'],
    [failed('internal'), 0n, '!internal'],
    [failed('a code of a later release'), 0n, '!a code of a later release'],
    [failed('funds_insufficient'), 0n, 'caller_fault'],
    [failed('context_length_exceeded'), 0n, 'caller_fault'],
    [failed('not_supported'), 0n, 'caller_fault'],
    [failed('rate_limited'), 0n, 'rate_limited'],
    [failed('queue_full'), 0n, 'rate_limited'],
  ] as const) {
    assert.equal(reasonOf(countOf(record, cost)), expected, JSON.stringify(record))
  }
  assert.equal(reasonOf(countOfProblem('model_not_found')), 'caller_fault')
})

test('a request is counted in the bin of its arrival, once, with what it cost', () => {
  const { sla, count } = testSla()
  count({ startedAtMs: NOVEMBER + BIN_MS - 1, totalMs: 60_000 })
  count({ startedAtMs: NOVEMBER + BIN_MS, outcome: 'failed', problem: 'node_failed' })
  count({ startedAtMs: NOVEMBER + BIN_MS, outcome: 'cancelled', cost: 7n })
  count({ startedAtMs: NOVEMBER + BIN_MS, slaClass: 'none' })
  const month = countIn(sla)
  assert.deepEqual(
    [month.valid, month.errors, month.aborted, month.charges, Object.fromEntries(month.notCounted)],
    [2, 1, 1, 1_007n, { client_abort: 1 }],
  )
  assert.deepEqual(
    [...month.bins.values()],
    [
      { startMs: NOVEMBER, valid: 1, errors: 0, aborted: 0 },
      { startMs: NOVEMBER + BIN_MS, valid: 1, errors: 1, aborted: 1 },
    ],
  )
  assert.equal(sla.counts.size, 1)
})

test('a reading with a time to come is counted when it was billed', () => {
  const { sla, count } = testSla()
  count({ startedAtMs: NOVEMBER, totalMs: -1 })
  assert.deepEqual([...sla.counts.keys()], ['acme business 2026-10'])
})

test('first tokens and speed are attained or not, short answers and slow readers aside', () => {
  const { sla, count } = testSla()
  count({ firstTokenMs: 5_010 })
  count({ firstTokenMs: 5_011 })
  count({ decodeMs: 2_001 })
  count({ parts: [] })
  const { firstToken, speed } = countIn(sla)
  assert.deepEqual(
    [firstToken, speed],
    [
      { met: 3, of: 4 },
      { met: 2, of: 3 },
    ],
  )
})

test('closed bins without a failure are let go, those with one stay until the month is over', () => {
  const { sla, run, count } = testSla()
  count({})
  count({ startedAtMs: NOVEMBER + BIN_MS, outcome: 'failed', problem: 'node_failed' })
  run({ kind: 'step', nowMs: NOVEMBER + HOUR_MS })
  assert.equal(countIn(sla).bins.size, 2)
  count({ startedAtMs: NOVEMBER + BIN_KEPT_MS + BIN_MS })
  run({ kind: 'step', nowMs: NOVEMBER + BIN_KEPT_MS + HOUR_MS })
  assert.deepEqual([...countIn(sla).bins.keys()], [NOVEMBER + BIN_MS, NOVEMBER + BIN_KEPT_MS + BIN_MS])
  assert.deepEqual(
    run({ kind: 'step', nowMs: NOVEMBER + 20 * HOUR_MS }),
    [],
    'an idle network writes nothing',
  )
})

test('requests that a lost gateway had open failed, and a reading that comes after all changes nothing', () => {
  const { sla, run, count } = testSla()
  const open = ['a', 'b'].map((requestId) => ({
    ...{ requestId, organisationId: 'acme', startedAtMs: NOVEMBER },
    slaClass: 'business' as const,
  }))
  const tally = { gatewayId: 'g', run: '1', refused: [], open }
  run({ kind: 'tally', spoolId: 's', sequence: 1, tally, nowMs: NOVEMBER })
  assert.equal(sla.counts.size, 0)
  run({
    kind: 'tally',
    spoolId: 't',
    sequence: 1,
    tally: { ...tally, run: '2', open: [] },
    nowMs: NOVEMBER + 9,
  })
  assert.equal(countIn(sla).errors, 2)
  count({ requestId: 'a' })
  assert.deepEqual([countIn(sla).valid, countIn(sla).errors, countIn(sla).charges], [2, 2, 1_000n])
})

test('a gateway that never comes back has failed what it had open', () => {
  const { sla, run } = testSla()
  const request = {
    requestId: 'a',
    organisationId: 'acme',
    slaClass: 'business',
    startedAtMs: NOVEMBER,
  } as const
  const tally = { gatewayId: 'g', run: '1', refused: [], open: [request] }
  run({ kind: 'tally', spoolId: 's', sequence: 1, tally, nowMs: NOVEMBER })
  assert.deepEqual(run({ kind: 'step', nowMs: NOVEMBER + OPEN_SILENT_MS }), [])
  run({ kind: 'step', nowMs: NOVEMBER + OPEN_SILENT_MS + 1 })
  assert.equal(countIn(sla).errors, 1)
})

test('a gateway that is heard again after it was given up does not fail the same request twice', () => {
  const { sla, run, count } = testSla()
  const open = ['a', 'b'].map((requestId) => ({
    ...{ requestId, organisationId: 'acme', startedAtMs: NOVEMBER },
    slaClass: 'business' as const,
  }))
  const tell = (told: typeof open, { run: name = '1', nowMs }: { run?: string; nowMs: number }) => {
    const tally = { gatewayId: 'g', run: name, refused: [], open: told }
    run({ kind: 'tally', spoolId: 's', sequence: 1, tally, nowMs })
  }
  tell(open.slice(0, 1), { nowMs: NOVEMBER })
  const givenUpMs = NOVEMBER + OPEN_SILENT_MS + 1
  run({ kind: 'step', nowMs: givenUpMs })
  tell(open, { nowMs: givenUpMs + 1 })
  tell([], { run: '2', nowMs: givenUpMs + 2 })
  assert.equal(countIn(sla).errors, 2)
  count({ requestId: 'a' })
  assert.deepEqual([countIn(sla).valid, countIn(sla).errors], [2, 2])
})

test('a gateway is not silent for longer than it could be heard', () => {
  const { run } = testSla()
  const request = {
    requestId: 'a',
    organisationId: 'acme',
    slaClass: 'business',
    startedAtMs: NOVEMBER,
  } as const
  const tally = { gatewayId: 'g', run: '1', refused: [], open: [request] }
  run({ kind: 'tally', spoolId: 's', sequence: 1, tally, nowMs: NOVEMBER })
  const heardSinceMs = NOVEMBER + HOUR_MS
  assert.deepEqual(run({ kind: 'step', nowMs: heardSinceMs + OPEN_SILENT_MS, heardSinceMs }), [])
  const [lost] = run({ kind: 'step', nowMs: heardSinceMs + OPEN_SILENT_MS + 1, heardSinceMs })
  assert.equal(lost?.type, 'sla.requests_lost')
})

test('refused requests count by why they were refused', () => {
  const { sla, run } = testSla()
  const told = { organisationId: 'acme', slaClass: 'business', binStartMs: NOVEMBER } as const
  const refused = [
    { ...told, problem: 'overloaded', count: 3 },
    { ...told, problem: 'rate_limited', count: 50 },
  ]
  const tally = { gatewayId: 'g', run: '1', refused, open: [] }
  run({ kind: 'tally', spoolId: 's', sequence: 1, tally, nowMs: NOVEMBER })
  const { valid, errors, notCounted } = countIn(sla)
  assert.deepEqual([valid, errors, notCounted.get('rate_limited')], [3, 3, 50])
})

test('the network opens an incident after two bad bins and closes it after three good ones', () => {
  const { run, count } = testSla()
  const fail = (binIndex: number, failures: number) => {
    for (let index = 0; index < 20; index++) {
      const failed = index < failures && ({ outcome: 'failed', problem: 'node_failed' } as const)
      count({ startedAtMs: NOVEMBER + binIndex * BIN_MS, slaClass: 'none', ...failed })
    }
  }
  const step = (binIndex: number) =>
    run({ kind: 'step', nowMs: NOVEMBER + binIndex * BIN_MS + MINUTE_MS }).filter(({ type }) =>
      type.startsWith('sla.incident'),
    )
  fail(0, 20)
  assert.deepEqual(step(1), [])
  fail(1, 1)
  const [opened] = step(2)
  assert.ok(opened?.type === 'sla.incident_opened' && opened.startedAtMs === NOVEMBER)
  for (const quiet of [3, 4]) assert.deepEqual(step(quiet), [])
  const [closed] = step(5)
  assert.ok(closed?.type === 'sla.incident_closed' && closed.endedAtMs === NOVEMBER + 2 * BIN_MS)
})

test('callers that ask less because all fails do not end an incident', () => {
  const { run, count } = testSla()
  const step = (binIndex: number, failures: number) => {
    for (let index = 0; index < failures; index++)
      count({ startedAtMs: NOVEMBER + binIndex * BIN_MS, outcome: 'failed', problem: 'node_failed' })
    const nowMs = NOVEMBER + (binIndex + 1) * BIN_MS + MINUTE_MS
    return run({ kind: 'step', nowMs }).filter(({ type }) => type.startsWith('sla.incident'))
  }
  assert.deepEqual(step(0, 10), [])
  assert.equal(step(1, 10)[0]?.type, 'sla.incident_opened')
  for (let index = 2; index < 12; index++) assert.deepEqual(step(index, index % 3), [], `${index}`)
  assert.deepEqual([step(12, 0), step(13, 0)], [[], []])
  const [closed] = step(14, 0)
  assert.ok(closed?.type === 'sla.incident_closed' && closed.endedAtMs === NOVEMBER + 12 * BIN_MS)
})

test('a budget that burns is told once an hour, for long and short windows', () => {
  const { run, count } = testSla()
  let told = 0
  for (let index = 0; index < 24; index++) {
    count({ startedAtMs: NOVEMBER + index * BIN_MS, outcome: 'failed', problem: 'node_failed' })
    const events = run({ kind: 'step', nowMs: NOVEMBER + (index + 1) * BIN_MS + MINUTE_MS })
    told += events.filter((event) => event.type === 'sla.budget_burning' && event.window === 'fast').length
  }
  assert.equal(told, 2)
})

test("a budget that burns over the month's border is told as at any other hour, and once", () => {
  const toldOf = (slaClass: 'standard' | 'business', from: number, to: number): string[] => {
    const { run, count } = testSla()
    const told: string[] = []
    for (let index = from; index <= to; index++) {
      const startedAtMs = NOVEMBER + index * BIN_MS
      count({ startedAtMs, slaClass, outcome: 'failed', problem: 'node_failed' })
      for (const event of run({ kind: 'step', nowMs: startedAtMs + BIN_MS + MINUTE_MS }))
        if (event.type === 'sla.budget_burning') told.push(`${index} ${event.window} ${event.burnTenths}`)
    }
    return told
  }
  // Two bins of an hour, one in each month.
  assert.deepEqual(toldOf('standard', -1, 0), ['0 fast 166'])
  const told = toldOf('business', -71, 5)
  const hours = [-71, -59, -47, -35, -23, -11, 1].map((at) => `${at} fast ${at === -71 ? 166 : 2_000}`)
  assert.deepEqual(
    told.filter((text) => text.includes('fast')),
    hours,
  )
  assert.deepEqual(
    told.filter((text) => text.includes('slow')),
    ['-69 slow 83', '3 slow 2000'],
  )
})

test('maintenance is announced a day ahead, is not long, and stays once it has begun', () => {
  const { run, refusal } = testSla()
  const fromMs = NOVEMBER + NOTICE_MS_MIN
  const asked = { kind: 'announce_maintenance', title: 'Disks', nowMs: NOVEMBER } as const
  const window = { fromMs, toMs: fromMs + MAINTENANCE_MS_MAX - HOUR_MS }
  for (const [told, expected] of [
    [{ fromMs, toMs: fromMs }, 'span_invalid'],
    [{ fromMs, toMs: fromMs + MAINTENANCE_MS_MAX + 1 }, 'span_invalid'],
    [{ fromMs: fromMs - 1, toMs: fromMs + HOUR_MS }, 'notice_too_short'],
  ] as const) {
    assert.equal(refusal({ ...asked, maintenanceId: 'm1', ...told }), expected)
  }
  run({ ...asked, maintenanceId: 'm1', ...window })
  assert.equal(refusal({ ...asked, maintenanceId: 'm1', ...window }), 'maintenance_exists')
  const more = { fromMs: window.toMs, toMs: window.toMs + HOUR_MS + 1 }
  assert.equal(refusal({ ...asked, maintenanceId: 'm2', ...more }), 'maintenance_too_long')
  const cancel = { kind: 'cancel_maintenance', maintenanceId: 'm1' } as const
  assert.equal(refusal({ ...cancel, nowMs: fromMs }), 'maintenance_begun')
  run({ ...cancel, nowMs: fromMs - 1 })
  assert.equal(refusal({ ...cancel, nowMs: fromMs }), 'maintenance_cancelled')
  run({ ...asked, maintenanceId: 'm2', ...more })
})

test('an incident is opened, noted and closed by an operator, and never in a closed month', () => {
  const { sla, run, refusal } = testSla()
  const opened = { kind: 'open_incident', incidentId: 'i', title: 'Away', isOutage: true } as const
  assert.equal(refusal({ ...opened, startedAtMs: NOVEMBER + 1, nowMs: NOVEMBER }), 'start_invalid')
  for (const endedAtMs of [NOVEMBER, NOVEMBER + 2])
    assert.equal(
      refusal({ ...opened, startedAtMs: NOVEMBER, endedAtMs, nowMs: NOVEMBER + 1 }),
      'end_invalid',
      `${endedAtMs - NOVEMBER}`,
    )
  run({ ...opened, startedAtMs: NOVEMBER, nowMs: NOVEMBER })
  assert.equal(refusal({ ...opened, startedAtMs: NOVEMBER, nowMs: NOVEMBER }), 'incident_exists')
  run({ kind: 'note_incident', incidentId: 'i', text: 'We look.', nowMs: NOVEMBER + 1 })
  run({ kind: 'close_incident', incidentId: 'i', nowMs: NOVEMBER + 2 })
  assert.equal(refusal({ kind: 'close_incident', incidentId: 'i', nowMs: NOVEMBER + 3 }), 'incident_closed')
  assert.equal(
    refusal({ kind: 'note_incident', incidentId: 'j', text: '', nowMs: NOVEMBER }),
    'incident_unknown',
  )
  assert.equal(sla.incidents.get('i')?.notes.length, 1)
})

test('an outage that is over when it is told of costs the bins of its time alone', () => {
  const { sla, run } = testSla()
  const outage = { incidentId: 'i', title: 'Away', isOutage: true, startedAtMs: NOVEMBER + 2 * HOUR_MS }
  const endedAtMs = NOVEMBER + 2.5 * HOUR_MS
  run({ kind: 'open_incident', ...outage, endedAtMs, nowMs: NOVEMBER + 9 * HOUR_MS })
  assert.equal(sla.incidents.get('i')?.endedAtMs, endedAtMs)
  const day = { fromMs: NOVEMBER, toMs: NOVEMBER + 24 * HOUR_MS }
  assert.equal(downStartsOf(sla, day, day.toMs).size, 6)
})

test('a caller that left as nothing came holds it against the node that was silent, not against the one that failed before', () => {
  const { sla, count } = testSla()
  const waited = { firstTokenMs: null, firstTokenDueMs: 30_000, totalMs: 31_000, startedAtMs: NOVEMBER }
  const failed = [{ nodeId: 'node_quick', how: 'failed' as const }]
  count({ outcome: 'cancelled', ...waited, failed, cost: 0n })
  count({ outcome: 'cancelled', ...waited, failed, parts: [], cost: 0n })
  count({ outcome: 'failed', problem: 'node_failed', failed, startedAtMs: NOVEMBER })
  const [of] = sla.counts.values()
  assert.deepEqual(
    [...(of?.faults ?? [])],
    [
      ['node_1', 1],
      ['node_quick', 2],
    ],
  )
})

test('maintenance and outages are kept as long as a statement of their month is', () => {
  const { sla, run } = testSla()
  const fromMs = NOVEMBER + NOTICE_MS_MIN
  const window = { fromMs, toMs: fromMs + HOUR_MS }
  run({ kind: 'announce_maintenance', maintenanceId: 'm', title: 'Disks', ...window, nowMs: NOVEMBER })
  const outage = { incidentId: 'i', title: 'Away', isOutage: true, startedAtMs: NOVEMBER }
  run({ kind: 'open_incident', ...outage, nowMs: NOVEMBER })
  run({ kind: 'close_incident', incidentId: 'i', nowMs: NOVEMBER + HOUR_MS })
  const keptAfter = (month: string): number[] => {
    const atMs = spanOfMonth(month).toMs
    evolveSla(sla, { type: 'sla.statement_made', ...statement, month, atMs })
    evolveSla(sla, { type: 'sla.month_closed', month, atMs })
    return [sla.statements.size, sla.maintenance.size, sla.incidents.size]
  }
  assert.deepEqual(keptAfter('2026-11'), [1, 1, 1])
  // A quiet network: a month with statements every three.
  for (let index = 1; index < STATEMENTS_KEPT_MONTHS; index++)
    assert.deepEqual(keptAfter(monthOf(Date.UTC(2026, 10 + index * 3))), [index + 1, 1, 1])
  assert.deepEqual(keptAfter(monthOf(Date.UTC(2030, 10))), [STATEMENTS_KEPT_MONTHS, 0, 0])
})

const statement = {
  ...{ organisationId: 'acme', slaClass: 'business' as const, valid: 0, errors: 0, aborted: 0 },
  ...{ uptimePpb: 1_000_000_000, binsCounted: 1, binsExcluded: 0, targetPpb: 1_000_000_000, charges: 0n },
  ...{ creditBps: 0, credit: 0n, jobs: [], posted: 0n, transferId: null, shares: [] },
}

function countIn(sla: TestSla['sla'], month = '2026-11'): MonthCount {
  const count = sla.counts.get(countKey({ organisationId: 'acme', slaClass: 'business', month }))
  assert.ok(count, `something was counted in ${month}`)
  return count
}

/** Promises, broken and kept, and the end of their month, in the golden history. */
import { closeMonths } from '#coordinator/sla/close-month.ts'
import { slaIn, stepSla } from '#coordinator/sla/step-sla.ts'
import type { Turn } from '#coordinator/turn.ts'
import { assert } from '#kernel/assert.ts'
import { DAY_MS, HOUR_MS } from '#kernel/time.ts'
import { monthOf } from '#sla/bins.ts'

const of = { organisationId: 'org_buyer', slaClass: 'business' } as const
const done = (refusal: string | null): void => assert(refusal === null, `the golden history: ${refusal}`)

export function promise(turn: Turn, nowMs: number): void {
  done(slaIn(turn, { kind: 'set_class', ...of, nowMs }))
  const announced = {
    kind: 'announce_maintenance',
    title: 'Disks',
    fromMs: nowMs + 2 * DAY_MS,
    nowMs,
  } as const
  for (const maintenanceId of ['maint_1', 'maint_2']) {
    done(slaIn(turn, { ...announced, maintenanceId, toMs: announced.fromMs + HOUR_MS }))
  }
  done(slaIn(turn, { kind: 'cancel_maintenance', maintenanceId: 'maint_2', nowMs }))
  const incidentId = 'inc_1'
  const opened = {
    kind: 'open_incident',
    incidentId,
    title: 'Away',
    isOutage: true,
    startedAtMs: nowMs,
  } as const
  done(slaIn(turn, { ...opened, nowMs }))
  done(slaIn(turn, { kind: 'note_incident', incidentId, text: 'We look.', nowMs }))
  done(slaIn(turn, { kind: 'close_incident', incidentId, nowMs }))
  const open = ['req_a', 'req_b'].map((requestId) => ({ requestId, ...of, startedAtMs: nowMs }))
  const refused = [{ ...of, binStartMs: nowMs, problem: 'overloaded', count: 20 }]
  const tally = { gatewayId: 'gateway_1', run: 'run_1', refused, open }
  done(slaIn(turn, { kind: 'tally', spoolId: 'spool_9', sequence: 1, tally, nowMs }))
}

export function breakPromise(turn: Turn, nowMs: number): void {
  const tally = { gatewayId: 'gateway_1', run: 'run_2', refused: [], open: [] }
  done(slaIn(turn, { kind: 'tally', spoolId: 'spool_10', sequence: 1, tally, nowMs }))
  // One that was lost ends after all, paid by its node's own copy; its answer is found to be false.
  turn.recordUsage({
    ...{ type: 'usage.recorded', spoolId: 'spool_9', sequence: 2, cost: 0n, fee: 0n, transferId: null },
    record: {
      ...{ requestId: 'req_a', ...of, keyId: 'key_gone', holdId: '', model: 'guide', kind: 'chat' },
      ...{ outcome: 'completed', parts: [], startedAtMs: nowMs - 900, firstTokenMs: 80, totalMs: 900 },
    },
    ...{ paidBefore: 500n, slaCharge: 400n, wasLost: true, atMs: nowMs },
  })
  const month = monthOf(nowMs)
  done(slaIn(turn, { kind: 'refund', ...of, month, caseId: 'node_1:1', amount: 100n, nowMs }))
  stepSla(turn)
}

/** Well after the month's end. */
export const settleMonth = (turn: Turn): void => closeMonths(turn)

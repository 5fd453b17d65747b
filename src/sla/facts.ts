/** What a month's credit is computed from, a line for each event that counts: evidence, and nothing that is not. */
import type { NanoUsd as Amount } from '#kernel/money.ts'
import type { TimestampMs } from '#kernel/time.ts'
import type { SlaClass } from '#protocol/sla.ts'
import type { SlaFact } from '#protocol/sla-evidence.ts'
import type { UsageRecord } from '#protocol/usage.ts'
import { monthOf } from './bins.ts'
import { faultNodeIdOf } from './count.ts'
import { countLost, countRecord, countRefund, countRefused, placedAtMs } from './count-request.ts'
import { countKey, emptySla, type MonthCount } from './sla.ts'
import type { SlaEvent } from './sla-events.ts'

export interface PlacedFact {
  readonly organisationId: string
  readonly slaClass: SlaClass
  readonly month: string
  readonly fact: SlaFact
}

/** Of a billed request, what this asks of its event. */
export interface UsageTold {
  readonly type: 'usage.recorded'
  readonly record: UsageRecord
  readonly cost: Amount
  readonly paidBefore?: Amount | undefined
  readonly slaCharge?: Amount | undefined
  readonly wasLost?: boolean | undefined
  readonly atMs?: TimestampMs | undefined
}

/** The facts that an event is, of those that somebody was promised something for. */
export function factsOf(event: UsageTold | SlaEvent): PlacedFact[] {
  switch (event.type) {
    case 'usage.recorded':
      return ofRequest(event)
    case 'sla.tallied':
      return event.tally.refused.flatMap(({ organisationId, slaClass, ...refused }) =>
        placed({ organisationId, slaClass }, refused.binStartMs, {
          ...{ kind: 'refused', atMs: event.atMs, ...refused },
        }),
      )
    case 'sla.requests_lost':
      return event.requests.flatMap(({ organisationId, slaClass, requestId, startedAtMs }) =>
        placed({ organisationId, slaClass }, startedAtMs, {
          ...{ kind: 'lost', atMs: event.atMs, requestId, startedAtMs },
        }),
      )
    case 'sla.refunded': {
      const { organisationId, slaClass, month, caseId, amount, atMs } = event
      return [{ organisationId, slaClass, month, fact: { kind: 'refund', atMs, caseId, amount } }]
    }
    default:
      return []
  }
}

function ofRequest({
  record,
  cost: billed,
  paidBefore = 0n,
  slaCharge,
  wasLost,
  atMs,
}: UsageTold): PlacedFact[] {
  const { organisationId, slaClass, startedAtMs } = record
  if (slaClass === undefined || atMs === undefined) return []
  const { requestId, keyId, model, outcome, problem, exempt, firstTokenMs, firstTokenDueMs, totalMs } = record
  const cost = billed + paidBefore
  const faultNodeId = faultNodeIdOf(record)
  return placed({ organisationId, slaClass }, startedAtMs, {
    ...{ kind: 'request', atMs, requestId, keyId, model, outcome, startedAtMs, firstTokenMs, totalMs, cost },
    ...(problem !== undefined && { problem }),
    ...(exempt !== undefined && { exempt }),
    ...(firstTokenDueMs !== undefined && { firstTokenDueMs }),
    ...(slaCharge !== undefined && { charge: slaCharge }),
    ...(wasLost === true && { wasLost }),
    ...(faultNodeId !== undefined && { faultNodeId }),
  })
}

const placed = (
  of: Pick<PlacedFact, 'organisationId' | 'slaClass'>,
  startedAtMs: TimestampMs,
  fact: SlaFact,
): PlacedFact[] =>
  of.slaClass === 'none' ? [] : [{ ...of, month: monthOf(placedAtMs(startedAtMs, fact.atMs)), fact }]

/** Counts facts of one month anew, in their order; `null` where none is of it. */
export function recount(
  of: Pick<PlacedFact, 'organisationId' | 'slaClass' | 'month'>,
  facts: Iterable<SlaFact>,
): MonthCount | null {
  const sla = emptySla()
  const { organisationId, slaClass } = of
  for (const fact of facts) {
    const { atMs } = fact
    if (fact.kind === 'refused') countRefused(sla, { organisationId, slaClass, ...fact }, atMs)
    else if (fact.kind === 'lost') {
      countLost(sla, { organisationId, slaClass, ...fact }, atMs)
      sla.lost.set(fact.requestId, atMs)
    } else if (fact.kind === 'refund') countRefund(sla, { ...of, amount: fact.amount })
    else {
      const { cost, charge, wasLost, faultNodeId, ...told } = fact
      const failed = faultNodeId === undefined ? [] : [{ nodeId: faultNodeId, how: 'failed' as const }]
      const record = {
        ...told,
        ...{ organisationId, slaClass, failed, holdId: '', kind: 'chat' as const, parts: [] },
      }
      countRecord(sla, { record, cost, charge, wasLost, atMs })
    }
  }
  return sla.counts.get(countKey(of)) ?? null
}

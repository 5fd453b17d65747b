import { unreachable } from '#kernel/assert.ts'
import type { AnswerEvent } from './answer-events.ts'
import { isStrike, passesAfter } from './answer-rules.ts'
import { type AnswerChecks, type AnswerRecord, CASES_MAX, newAnswerRecord, PROOFS_MAX } from './answers.ts'
import { type CheckRecord, heardRight, newRecord, type Verify } from './verify.ts'

type EventOf<Type extends AnswerEvent['type']> = Extract<AnswerEvent, { type: Type }>

/** Applies an event that `decideAnswers` returned for this same state. */
export function evolveAnswers(verify: Verify, event: AnswerEvent): void {
  const { answers } = verify
  switch (event.type) {
    case 'verify.answers_heard': {
      const { gatewayId, start, sequence } = event
      hear(answers.heard, { gatewayId, start, sequence })
      return
    }
    case 'verify.answer_checked':
      return check(verify, event)
    case 'verify.answer_faulted': {
      const record = recordIn(verify, event.nodeId)
      record.faults[event.fault] = (record.faults[event.fault] ?? 0) + 1
      if (record.suspendedUntilMs === null && isStrike(event.fault)) record.strikes++
      record.passes = 0
      checkRecordIn(verify, event.nodeId).faults++
      return
    }
    case 'verify.node_judged':
      return judge(verify, event)
    case 'verify.suspension_ended':
      recordIn(verify, event.nodeId).suspendedUntilMs = null
      return
    case 'verify.case_lifted': {
      const record = recordIn(verify, event.nodeId)
      record.cases = record.cases.map((one) =>
        one.caseId === event.caseId ? { ...one, liftedAtMs: event.atMs, liftedReason: event.reason } : one,
      )
      record.suspendedUntilMs = null
      const known = checkRecordIn(verify, event.nodeId)
      // A verdict that was wrong does not bring it nearer to a ban for results either, nor does it judge worse for it.
      known.failed = Math.max(0, known.failed - 1)
      known.wrong = 0
      known.right = 0
      return
    }
    case 'verify.answer_pay_held':
      return holdPay(verify, event)
    case 'verify.answer_pay_freed': {
      const left = (answers.pay.get(event.nodeId) ?? []).filter(({ windowId }) => windowId !== event.windowId)
      if (left.length > 0) answers.pay.set(event.nodeId, left)
      else answers.pay.delete(event.nodeId)
      return
    }
    default:
      unreachable(event)
  }
}

/** Starts of one gateway that are remembered: what is late by more than so many is as good as lost. */
const STARTS_MAX = 4

function hear(
  heard: AnswerChecks['heard'],
  { gatewayId, start, sequence }: { gatewayId: string; start: string; sequence: number },
): void {
  const starts = heard.get(gatewayId) ?? []
  heard.set(gatewayId, starts)
  const known = starts.find((one) => one.start === start)
  if (known) known.sequence = sequence
  else starts.push({ start, sequence })
  if (starts.length > STARTS_MAX) starts.shift()
}

function check(verify: Verify, event: EventOf<'verify.answer_checked'>): void {
  const { nodeId, outcome, opinions, atMs } = event
  const record = recordIn(verify, nodeId)
  const known = checkRecordIn(verify, nodeId)
  record.evidenceMilli = Math.max(0, record.evidenceMilli + event.evidenceMilli)
  record.passes = passesAfter(record.passes, outcome, record.evidenceMilli)
  record.tokens += opinions[0]?.tokens ?? 0
  judgeAuditors(verify, event)
  switch (outcome) {
    case 'passed':
      record.passed++
      record.passedAtMs = atMs
      known.passed++
      if (record.evidenceMilli === 0) record.against = []
      return
    case 'against': {
      if (event.evidenceMilli === 0) return
      const { auditId, model, evidenceMilli, evidenceHash, organisationId, cost, slaClass } = event
      const proof = { auditId, model, evidenceMilli, evidenceHash, organisationId, cost, atMs }
      const promised = slaClass === undefined ? proof : { ...proof, slaClass }
      record.against = [...record.against, promised].slice(-PROOFS_MAX)
      return
    }
    case 'doubted':
      record.doubted++
      known.disputed++
      return
    case 'unheard':
      record.unheard++
      known.unverified++
      return
    default:
      unreachable(outcome)
  }
}

/** Where opinions came to something, it is known who was right. */
function judgeAuditors(verify: Verify, { wrong, opinions, outcome }: EventOf<'verify.answer_checked'>): void {
  for (const auditor of wrong) heardRight(checkRecordIn(verify, auditor), false)
  if (outcome !== 'passed' && outcome !== 'against') return
  for (const { nodeId } of opinions) {
    const known = wrong.includes(nodeId) ? undefined : verify.records.get(nodeId)
    if (known && known.wrong > 0) heardRight(known, true)
  }
}

function judge(verify: Verify, event: EventOf<'verify.node_judged'>): void {
  const { type: _type, nodeId, rateBps: _rate, ...facts } = event
  const record = recordIn(verify, nodeId)
  record.cases = [...record.cases, { ...facts, liftedAtMs: null }].slice(-CASES_MAX)
  record.passes = 0
  record.evidenceMilli = 0
  record.against = []
  record.strikes = 0
  record.suspendedUntilMs = event.untilMs
  const known = checkRecordIn(verify, nodeId)
  known.failed++
  known.passes = 0
}

function holdPay({ answers }: Verify, event: EventOf<'verify.answer_pay_held'>): void {
  const { nodeId, accountId, windowId, amount, atMs } = event
  const windows = answers.pay.get(nodeId) ?? []
  const newest = windows.at(-1)
  if (newest?.windowId === windowId) {
    newest.answers += event.answers
    newest.amount += amount
    newest.untilMs = atMs
    return
  }
  const window = { windowId, accountId, sinceMs: atMs, untilMs: atMs, answers: event.answers, amount }
  answers.pay.set(nodeId, [...windows, window])
}

function recordIn({ answers }: Verify, nodeId: string): AnswerRecord {
  const found = answers.nodes.get(nodeId)
  if (found) return found
  const record = newAnswerRecord()
  answers.nodes.set(nodeId, record)
  return record
}

function checkRecordIn({ records }: Verify, nodeId: string): CheckRecord {
  const found = records.get(nodeId)
  if (found) return found
  const record = newRecord()
  records.set(nodeId, record)
  return record
}

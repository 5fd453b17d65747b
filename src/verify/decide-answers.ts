import { unreachable } from '#kernel/assert.ts'
import type { NanoUsd } from '#kernel/money.ts'
import type { TimestampMs } from '#kernel/time.ts'
import type { AnswerCheck, AnswerFinding, AnswerOpinion } from '#protocol/answer-audit.ts'
import type { NodeClass } from '#protocol/node-class.ts'
import type { AnswerEvent } from './answer-events.ts'
import {
  answerRateBps,
  EVIDENCE_MAX,
  passesAfter,
  penaltyFor,
  STRIKES_MAX,
  weighOpinions,
  windowFor,
} from './answer-rules.ts'
import { type AnswerRecord, answerRecordOf, heldOf, newestReport } from './answers.ts'
import type { Verify } from './verify.ts'

export type AnswerCommand =
  | { kind: 'hear_report'; gatewayId: string; start: string; sequence: number }
  | {
      kind: 'check_answer'
      check: AnswerCheck
      of: AuditedNode
      opinions: readonly ToldOpinion[]
      nowMs: TimestampMs
    }
  | { kind: 'fault_answer'; finding: AnswerFinding; of: AuditedNode; nowMs: TimestampMs }
  | { kind: 'judge_node'; nodeId: string; nodeClass: NodeClass; nowMs: TimestampMs }
  | { kind: 'end_suspension'; nodeId: string; nowMs: TimestampMs }
  | { kind: 'lift_case'; nodeId: string; caseId: string; reason: string; nowMs: TimestampMs }
  | {
      kind: 'hold_answer_pay'
      nodeId: string
      accountId: string
      answers: number
      amount: NanoUsd
      nowMs: TimestampMs
    }
  | {
      kind: 'free_answer_pay'
      nodeId: string
      windowId: number
      why: 'aged' | 'expired' | 'forfeited'
      nowMs: TimestampMs
    }

/** The node whose answer it is. */
export interface AuditedNode {
  readonly organisationId: string
  readonly nodeClass: NodeClass
}
export interface ToldOpinion extends AnswerOpinion {
  readonly organisationId: string
  /** Of the operator's own node: its word needs no other. */
  readonly isReference: boolean
}

/** In order of precedence. */
export type AnswerRefusal =
  | 'report_repeated'
  | 'node_unjudged'
  | 'evidence_short'
  | 'suspension_none'
  | 'suspension_runs'
  | 'case_unknown'
  | 'pay_unknown'

type Decision = AnswerRefusal | AnswerEvent[]

/** What becomes of `command`: events, none where nothing changes, or why not. */
export function decideAnswers(verify: Verify, command: AnswerCommand): Decision {
  const { answers } = verify
  switch (command.kind) {
    case 'hear_report': {
      const { gatewayId, start, sequence } = command
      if (sequence <= newestReport(answers, gatewayId, start)) return 'report_repeated'
      return [{ type: 'verify.answers_heard', gatewayId, start, sequence }]
    }
    case 'check_answer':
      return decideCheck(verify, command)
    case 'fault_answer': {
      const { finding, of, nowMs: atMs } = command
      const { kind: _, ...facts } = finding
      const rate = rateNews(answerRecordOf(answers, finding.nodeId), { passes: 0 }, of.nodeClass)
      return [{ type: 'verify.answer_faulted', ...facts, ...rate, atMs }]
    }
    case 'judge_node':
      return decideJudge(verify, command)
    case 'end_suspension': {
      const { nodeId, nowMs: atMs } = command
      const untilMs = answers.nodes.get(nodeId)?.suspendedUntilMs ?? null
      if (untilMs === null) return 'suspension_none'
      return atMs < untilMs ? 'suspension_runs' : [{ type: 'verify.suspension_ended', nodeId, atMs }]
    }
    case 'lift_case': {
      const { nodeId, caseId, reason, nowMs: atMs } = command
      const found = answers.nodes.get(nodeId)?.cases.find((one) => one.caseId === caseId)
      if (!found) return 'case_unknown'
      return found.liftedAtMs === null ? [{ type: 'verify.case_lifted', nodeId, caseId, reason, atMs }] : []
    }
    case 'hold_answer_pay': {
      const { kind: _, nowMs: atMs, ...pay } = command
      if (pay.amount <= 0n) return []
      const windows = answers.pay.get(pay.nodeId) ?? []
      const windowId =
        windowFor(windows, pay.accountId, atMs)?.windowId ?? (windows.at(-1)?.windowId ?? 0) + 1
      return [{ type: 'verify.answer_pay_held', ...pay, windowId, atMs }]
    }
    case 'free_answer_pay': {
      const { nodeId, windowId, why, nowMs: atMs } = command
      const window = answers.pay.get(nodeId)?.find((one) => one.windowId === windowId)
      if (!window) return 'pay_unknown'
      return [{ type: 'verify.answer_pay_freed', nodeId, windowId, amount: window.amount, why, atMs }]
    }
    default:
      return unreachable(command)
  }
}

/** Opinions of the node's own organisation, and second ones of one organisation, count for nothing. */
function decideCheck(
  verify: Verify,
  { check, of, opinions, nowMs: atMs }: AnswerCommand & { kind: 'check_answer' },
): AnswerEvent[] {
  const { auditId, nodeId, model, test, isCanary, evidenceHash, organisationId, cost, slaClass } = check
  const seen = new Set([of.organisationId])
  const counting = opinions.filter((one) => !seen.has(one.organisationId) && seen.add(one.organisationId))
  const weighed = weighOpinions(counting)
  const record = answerRecordOf(verify.answers, nodeId)
  const { outcome } = weighed
  // What it did before it was judged counts once.
  const added = record.suspendedUntilMs === null ? weighed.evidenceMilli : 0
  const evidence = Math.max(0, record.evidenceMilli + added)
  const passes = passesAfter(record.passes, outcome, evidence)
  return [
    {
      type: 'verify.answer_checked',
      ...{ auditId, nodeId, model, test, isCanary, outcome, evidenceHash, organisationId, cost },
      ...(slaClass !== undefined && { slaClass }),
      evidenceMilli: added,
      opinions: counting.map(({ readTokens: _read, pay: _pay, ...said }) => said),
      wrong: weighed.wrong.flatMap((index) => counting[index]?.nodeId ?? []),
      ...rateNews(record, { passes, evidenceMilli: evidence }, of.nodeClass),
      atMs,
    },
  ]
}

/** Whether enough speaks against a node to judge it. */
export const isToBeJudged = ({ evidenceMilli, strikes }: AnswerRecord): boolean =>
  evidenceMilli >= EVIDENCE_MAX || strikes >= STRIKES_MAX

function decideJudge(
  { answers }: Verify,
  { nodeId, nodeClass, nowMs: atMs }: AnswerCommand & { kind: 'judge_node' },
): Decision {
  const record = answers.nodes.get(nodeId)
  if (!record) return 'node_unjudged'
  if (!isToBeJudged(record)) return 'evidence_short'
  const { penalty, untilMs } = penaltyFor(record.cases, atMs)
  const proofs = record.against.map((proof) => ({ ...proof }))
  const judged = {
    caseId: `${nodeId}:${atMs}`,
    nodeId,
    penalty,
    reason: reasonOf(record),
    proofs,
    forfeited: heldOf(answers, nodeId),
    untilMs,
    ...(penalty === 'suspended' && nodeClass !== 'community' && { classBefore: nodeClass }),
  }
  const rate = rateNews(record, { passes: 0, evidenceMilli: 0 }, nodeClass)
  return [{ type: 'verify.node_judged', ...judged, ...rate, atMs }]
}

function reasonOf({ against, evidenceMilli, strikes, faults }: AnswerRecord): string {
  if (evidenceMilli >= EVIDENCE_MAX) {
    const models = [...new Set(against.map(({ model }) => model))].join(', ')
    return `${against.length} of its answers as ${models} do not fit that model: nodes of other owners agree on each`
  }
  const seen = Object.entries(faults).map(([fault, count]) => `${count} × ${fault}`)
  return `${strikes} of its answers were what no honest node sends: ${seen.join(', ')}`
}

/** The rate that follows, where it is another than before. */
function rateNews(
  before: AnswerRecord,
  after: Partial<Pick<AnswerRecord, 'passes' | 'evidenceMilli'>>,
  nodeClass: NodeClass,
): { rateBps?: number } {
  const rateBps = answerRateBps({ ...before, ...after }, nodeClass)
  return rateBps === answerRateBps(before, nodeClass) ? {} : { rateBps }
}

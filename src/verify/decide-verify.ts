import { unreachable } from '#kernel/assert.ts'
import type { NanoUsd } from '#kernel/money.ts'
import type { TimestampMs } from '#kernel/time.ts'
import type { NodeClass } from '#protocol/node-class.ts'
import type { OutputFile } from '#protocol/task.ts'
import { auditRateBps } from './audit-rate.ts'
import { type Finding, weigh } from './verdict.ts'
import {
  type Audit,
  auditByOf,
  isIrreproducible,
  keyOf,
  openAuditsOf,
  type ResultPlace,
  recordOf,
  type Verify,
} from './verify.ts'
import type { AuditBy, OpinionSays, PayFreed, Verdict, VerifyEvent } from './verify-events.ts'

export type VerifyCommand =
  | { kind: 'name_reference'; organisationId: string; nowMs: TimestampMs }
  | (LookCommand & { kind: 'look' })
  | {
      kind: 'open_audit'
      place: ResultPlace
      nodeId: string
      organisationId: string
      picture: string
      crops: string
      askedBy?: string
      nowMs: TimestampMs
    }
  | { kind: 'ask'; auditId: string; auditJobId: string; by: AuditBy; nowMs: TimestampMs }
  | (HearCommand & { kind: 'hear' })
  | {
      kind: 'close'
      auditId: string
      verdict: Extract<Verdict, 'nobody' | 'disputed' | 'called_off'>
      nowMs: TimestampMs
    }
  | {
      kind: 'hold_pay'
      place: ResultPlace
      nodeId: string
      accountId: string
      organisationId: string
      amount: NanoUsd
      isChecked: boolean
      nowMs: TimestampMs
    }
  | { kind: 'free_pay'; place: ResultPlace; nodeId: string; why: PayFreed; nowMs: TimestampMs }
  | { kind: 'forget_job'; jobId: string }

export interface LookCommand {
  place: ResultPlace
  nodeId: string
  nodeClass: NodeClass
  faults: readonly string[]
  doubts: readonly string[]
  fingerprint: string | null
  /** Whether an audit would tell anything. */
  canAudit: boolean
  /** Below 10,000, drawn so that nobody can foresee it. */
  drawBps: number
  nowMs: TimestampMs
}

export interface HearCommand {
  auditId: string
  auditJobId: string
  nodeId: string
  organisationId: string
  says: OpinionSays
  agrees: boolean | null
  detail: string
  outputs: readonly OutputFile[]
  nowMs: TimestampMs
}

/** In order of precedence. */
export type VerifyRefusal =
  | 'reference_named'
  | 'audit_unknown'
  | 'audit_open'
  | 'opinion_unasked'
  | 'opinion_own'
  | 'pay_held'
  | 'pay_unknown'

type Decision = VerifyRefusal | VerifyEvent[]

/** What becomes of `command`: events, none where nothing changes, or why not. */
export function decideVerify(verify: Verify, command: VerifyCommand): Decision {
  switch (command.kind) {
    case 'name_reference': {
      const { organisationId, nowMs: atMs } = command
      if (verify.referenceId === organisationId) return []
      if (verify.referenceId !== null) return 'reference_named'
      return [{ type: 'verify.reference_named', organisationId, atMs }]
    }
    case 'look':
      return decideLook(verify, command)
    case 'open_audit': {
      const { place, nodeId, organisationId, picture, crops, askedBy, nowMs: atMs } = command
      const auditId = keyOf(place)
      if (verify.audits.has(auditId)) return 'audit_open'
      const facts = { nodeId, organisationId, picture, crops, ...(askedBy !== undefined && { askedBy }) }
      return [{ type: 'verify.audit_opened', auditId, ...bare(place), ...facts, atMs }]
    }
    case 'ask':
    case 'hear':
    case 'close':
      return decideAudit(verify, command)
    case 'hold_pay': {
      const { kind: _, place, nowMs: atMs, ...facts } = command
      if (facts.amount <= 0n) return []
      if (isHeld(verify, facts.nodeId, place)) return 'pay_held'
      return [{ type: 'verify.pay_held', ...bare(place), ...facts, atMs }]
    }
    case 'free_pay': {
      const { place, nodeId, why, nowMs: atMs } = command
      if (!isHeld(verify, nodeId, place)) return 'pay_unknown'
      return [{ type: 'verify.pay_freed', ...bare(place), nodeId, why, atMs }]
    }
    case 'forget_job':
      return verify.jobs.has(command.jobId) ? [{ type: 'verify.job_forgotten', jobId: command.jobId }] : []
    default:
      return unreachable(command)
  }
}

const bare = ({ jobId, step, task, fence }: ResultPlace): ResultPlace => ({ jobId, step, task, fence })

const isHeld = ({ held }: Verify, nodeId: string, place: ResultPlace): boolean =>
  held.get(nodeId)?.has(keyOf(place)) === true

/** A doubt is as good as having been drawn. */
function decideLook(verify: Verify, command: LookCommand): VerifyEvent[] {
  const { place, nodeId, nodeClass, faults, doubts, fingerprint, drawBps, canAudit, nowMs: atMs } = command
  // Those that are under way count as passed: should one fail, what was passed over meanwhile is made again.
  const passes = recordOf(verify, nodeId).passes + openAuditsOf(verify, nodeId)
  const rateBps = auditRateBps({ passes }, nodeClass)
  const isDue = doubts.length > 0 || drawBps < rateBps
  const cannot = !canAudit || isIrreproducible(verify.jobs.get(place.jobId)?.steps.get(place.step))
  const outcome = faults.length > 0 ? 'bad' : !isDue ? 'passed_over' : cannot ? 'unseen' : 'audited'
  const seen = { faults: [...faults], doubts: [...doubts], fingerprint, rateBps, drawBps }
  return [{ type: 'verify.looked_at', ...bare(place), nodeId, ...seen, outcome, atMs }]
}

function decideAudit(
  verify: Verify,
  command: Extract<VerifyCommand, { kind: 'ask' | 'hear' | 'close' }>,
): Decision {
  const { auditId, nowMs: atMs } = command
  const audit = verify.audits.get(auditId)
  if (!audit) return 'audit_unknown'
  if (command.kind === 'close')
    return [{ type: 'verify.audit_closed', auditId, verdict: command.verdict, atMs }]
  const { auditJobId } = command
  if (command.kind === 'ask') {
    if (audit.asked?.auditJobId === auditJobId) return []
    return [{ type: 'verify.opinion_asked', auditId, auditJobId, by: command.by, atMs }]
  }
  if (audit.asked?.auditJobId !== auditJobId) return 'opinion_unasked'
  if (command.organisationId === audit.organisationId) return 'opinion_own'
  const { nodeId, organisationId, says, agrees, detail, outputs } = command
  const isReference = organisationId === verify.referenceId
  const opinion = { auditJobId, nodeId, organisationId, isReference, says, agrees, outputs: [...outputs] }
  const heard: VerifyEvent = { type: 'verify.opinion_heard', auditId, ...opinion, detail, atMs }
  const finding = findingOf(verify, {
    ...audit,
    opinions: [...audit.opinions, { ...opinion, by: audit.asked.by }],
  })
  if (!('verdict' in finding)) return [heard]
  return [heard, { type: 'verify.audit_closed', auditId, verdict: finding.verdict, atMs }]
}

/** What the opinions on an audit come to so far. */
export const findingOf = (verify: Verify, audit: Audit): Finding =>
  weigh({
    ...audit,
    by: auditByOf(verify, audit),
    areCropsProven: (verify.jobs.get(audit.jobId)?.steps.get(audit.step)?.cropsTold ?? 0) > 0,
  })

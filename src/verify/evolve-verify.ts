import { unreachable } from '#kernel/assert.ts'
import type { TimestampMs } from '#kernel/time.ts'
import { isAnswerEvent } from './answer-events.ts'
import { evolveAnswers } from './evolve-answers.ts'
import {
  type Audit,
  auditOf,
  type CheckedJob,
  type CheckRecord,
  heardRight,
  keyOf,
  newRecord,
  resultIn,
  type Verify,
} from './verify.ts'
import type { Verdict, VerifyEvent } from './verify-events.ts'

/** Applies an event that `decideVerify` returned for this same state. The only writer of what is verified. */
export function evolveVerify(verify: Verify, event: VerifyEvent): void {
  if (isAnswerEvent(event)) return evolveAnswers(verify, event)
  switch (event.type) {
    case 'verify.reference_named':
      verify.referenceId = event.organisationId
      return
    case 'verify.looked_at':
      return lookAt(verify, event)
    case 'verify.audit_opened': {
      const { type: _, atMs, ...audit } = event
      verify.audits.set(audit.auditId, { ...audit, openedAtMs: atMs, opinions: [], asked: null, asks: 0 })
      return
    }
    case 'verify.opinion_asked': {
      const { auditJobId, by, atMs } = event
      const audit = auditOf(verify, event.auditId)
      audit.asked = { auditJobId, by, atMs }
      audit.asks++
      return
    }
    case 'verify.opinion_heard': {
      const { auditId, auditJobId, nodeId, organisationId, isReference, says, agrees, outputs } = event
      const audit = auditOf(verify, auditId)
      const by = audit.asked?.by ?? 'crops'
      audit.asked = null
      audit.opinions.push({ auditJobId, by, nodeId, organisationId, isReference, says, agrees, outputs })
      return
    }
    case 'verify.audit_closed':
      return close(verify, auditOf(verify, event.auditId), event)
    case 'verify.pay_held': {
      const { type: _, nodeId, ...pay } = event
      const list = verify.held.get(nodeId) ?? new Map()
      verify.held.set(nodeId, list.set(keyOf(pay), pay))
      return
    }
    case 'verify.pay_freed': {
      const list = verify.held.get(event.nodeId)
      list?.delete(keyOf(event))
      if (list?.size === 0) verify.held.delete(event.nodeId)
      // What it cost has come back: it is not looked for a second time.
      if (event.why === 'forfeited') verify.jobs.get(event.jobId)?.settled.set(resultIn(event), 'liar')
      return
    }
    case 'verify.job_forgotten':
      verify.jobs.delete(event.jobId)
      return
    default:
      unreachable(event)
  }
}

function lookAt(verify: Verify, event: Extract<VerifyEvent, { type: 'verify.looked_at' }>): void {
  const { jobId, step, task, nodeId, fingerprint, outcome } = event
  const record = recordIn(verify, nodeId)
  const job = jobIn(verify, jobId)
  if (outcome === 'bad') {
    record.faults++
    record.passes = 0
    return
  }
  if (fingerprint !== null) job.fingerprints.set(`${step}/${task}`, fingerprint)
  if (outcome !== 'unseen') return
  record.unverified++
  job.unverified++
}

function close(
  verify: Verify,
  audit: Audit,
  { verdict, atMs }: { verdict: Verdict; atMs: TimestampMs },
): void {
  verify.audits.delete(audit.auditId)
  const record = recordIn(verify, audit.nodeId)
  if (audit.opinions.length > 0 && verdict !== 'called_off')
    jobIn(verify, audit.jobId).settled.set(resultIn(audit), verdict)
  switch (verdict) {
    case 'honest':
      pass(record, atMs)
      return learn(verify, audit)
    case 'liar':
      record.failed++
      record.passes = 0
      jobIn(verify, audit.jobId).fingerprints.delete(`${audit.step}/${audit.task}`)
      return
    case 'disputed':
      for (const one of [record, ...against(verify, audit)]) {
        one.disputed++
        one.passes = 0
      }
      return
    case 'irreproducible':
      stepIn(jobIn(verify, audit.jobId), audit.step).strange++
      return unverified(verify, record, audit)
    case 'nobody':
      return unverified(verify, record, audit)
    case 'called_off':
      return
    default:
      unreachable(verdict)
  }
}

function unverified(verify: Verify, record: CheckRecord, { jobId }: Audit): void {
  record.unverified++
  jobIn(verify, jobId).unverified++
}

function pass(record: CheckRecord, atMs: TimestampMs): void {
  record.passes++
  record.passed++
  record.passedAtMs = atMs
}

/** What a result that was found good tells of the step, and of those who said otherwise. */
function learn(verify: Verify, audit: Audit): void {
  const step = stepIn(jobIn(verify, audit.jobId), audit.step)
  const settled = audit.opinions.at(-1)?.by
  step.told++
  if (settled === 'crops') step.cropsTold++
  // Crops said different, the whole frame says same: it is the crops, and nobody who went by them was wrong.
  else if (audit.opinions.some(({ by, says }) => by === 'crops' && says === 'different'))
    step.isUncroppable = true
  for (const auditor of against(verify, { opinions: audit.opinions.filter(({ by }) => by === settled) })) {
    heardRight(auditor, false)
    auditor.passes = 0
  }
  for (const { nodeId, says } of audit.opinions) {
    const known = says === 'same' ? verify.records.get(nodeId) : undefined
    if (known && known.wrong > 0) heardRight(known, true)
  }
}

/** Records of those who said that it differs, but for the operator's own. */
const against = (verify: Verify, { opinions }: Pick<Audit, 'opinions'>): CheckRecord[] =>
  opinions
    .filter(({ says, isReference }) => says === 'different' && !isReference)
    .map(({ nodeId }) => recordIn(verify, nodeId))

function recordIn({ records }: Verify, nodeId: string): CheckRecord {
  const found = records.get(nodeId)
  if (found) return found
  const record = newRecord()
  records.set(nodeId, record)
  return record
}

function jobIn({ jobs }: Verify, jobId: string): CheckedJob {
  const found = jobs.get(jobId)
  if (found) return found
  const job: CheckedJob = {
    fingerprints: new Map(),
    steps: new Map(),
    unverified: 0,
    settled: new Map(),
  }
  jobs.set(jobId, job)
  return job
}

function stepIn({ steps }: CheckedJob, step: number) {
  const found = steps.get(step)
  if (found) return found
  const made = { told: 0, cropsTold: 0, strange: 0, isUncroppable: false }
  steps.set(step, made)
  return made
}

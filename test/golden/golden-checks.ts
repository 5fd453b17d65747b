/** Results that somebody looked at, in the golden history. */
import type { Turn } from '#coordinator/turn.ts'
import { verifyIn } from '#coordinator/work/holdback.ts'
import { assert } from '#kernel/assert.ts'
import { keyOf } from '#verify/verify.ts'

const place = { jobId: 'job_checked', step: 0, task: 3, fence: 90 }
const auditId = keyOf(place)
const suspect = {
  nodeId: 'node_3',
  organisationId: 'org_seller',
  picture: '7a'.repeat(32),
  crops: '3,4,15,15',
}
const done = (refusal: string | null): void => assert(refusal === null, `the golden history: ${refusal}`)

/** One result is audited: the first opinion differs, the operator's own node is asked, and finds it good. */
export function check(turn: Turn, nowMs: number): void {
  done(verifyIn(turn, { kind: 'name_reference', organisationId: 'org_reference', nowMs }))
  const seen = { faults: [], doubts: ['black'], fingerprint: '00ff', canAudit: true, drawBps: 41 }
  done(
    verifyIn(turn, { kind: 'look', place, nodeId: suspect.nodeId, nodeClass: 'community', ...seen, nowMs }),
  )
  done(verifyIn(turn, { kind: 'open_audit', place, ...suspect, nowMs }))
  const told = { detail: 'at 3,4: 9 of 225 pixels are off', agrees: null, outputs: [] }
  const opinions = [
    { nodeId: 'node_1', organisationId: 'org_other', says: 'different' },
    { nodeId: 'node_r', organisationId: 'org_reference', says: 'same' },
  ] as const
  for (const [at, opinion] of opinions.entries()) {
    const auditJobId = `audit_${at}`
    done(verifyIn(turn, { kind: 'ask', auditId, auditJobId, by: at === 0 ? 'crops' : 'frame', nowMs }))
    done(verifyIn(turn, { kind: 'hear', auditId, auditJobId, ...opinion, ...told, nowMs }))
  }
  assert(!turn.state.verify.audits.has(auditId), 'an opinion that says the same settles it')
}

export const forgetChecks = (turn: Turn): void =>
  done(verifyIn(turn, { kind: 'forget_job', jobId: place.jobId }))

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { emptyVerify } from '#verify/verify.ts'
import { NOBODY_LOOKED, type VerifyEvent } from '#verify/verify-events.ts'
import { evolveWork } from '#work/evolve-work.ts'
import { emptyWork } from '#work/work.ts'
import { planOf } from './test-floor.ts'
import { createCheckNews } from './verify-news.ts'

const place = { jobId: 'job_1', step: 0, task: 1, fence: 4 }
const opened: VerifyEvent = {
  ...{ type: 'verify.audit_opened', auditId: 'a', ...place, nodeId: 'n', organisationId: 'o' },
  ...{ picture: '', crops: '', atMs: 1 },
}

test('an audit is told when it begins and when it ends, in words that name the frame and its node', () => {
  const tell = setup()
  assert.equal(tell(opened)?.text, 'Frame 2 by n is rendered again in part by another owner.')
  const told = tell({ type: 'verify.audit_closed', auditId: 'a', verdict: 'honest', atMs: 2 })
  assert.deepEqual(
    [told?.kind, told?.jobId, told?.place, told?.nodeId, told?.text],
    ['audit', 'job_1', { step: 0, task: 1 }, 'n', 'Frame 2 by n is what the scene gives: checked.'],
  )
  assert.equal(tell({ type: 'verify.audit_closed', auditId: 'a', verdict: 'honest', atMs: 2 }), null)
})

test('of a job that is over nobody is told that something is made again', () => {
  const tell = setup({ isOver: true })
  tell(opened)
  assert.equal(
    tell({ type: 'verify.audit_closed', auditId: 'a', verdict: 'disputed', atMs: 2 })?.text,
    'Frame 2 by n is in dispute, with nobody else to ask. The job is over, so it stays as it is.',
  )
  tell(opened)
  assert.match(
    tell({ type: 'verify.audit_closed', auditId: 'a', verdict: 'liar', atMs: 3 })?.text ?? '',
    /is not what the scene gives: what it cost comes back/,
  )
})

test('a result that everybody can see is wrong is told with what is wrong, and one that is not is not told', () => {
  const tell = setup()
  assert.equal(tell(looked('bad'))?.text, 'Frame 2 by n is refused: size_wrong.')
  assert.equal(tell(looked('passed_over')), null)
})

test('one that nobody looked at is told, and one that could not be told from another is not', () => {
  const tell = setup()
  assert.match(
    tell(looked('unseen', [NOBODY_LOOKED]))?.text ?? '',
    /^Frame 2 by n was not looked at, .* within an hour: it counts, unverified\.$/,
  )
  assert.equal(tell(looked('unseen', ['too large to be looked at'])), null)
})

test('of a job that is gone nothing is told', () => {
  assert.equal(createCheckNews({ work: emptyWork(), verify: emptyVerify() })(opened), null)
})

const looked = (outcome: 'bad' | 'passed_over' | 'unseen', doubts: string[] = []): VerifyEvent => ({
  ...{
    type: 'verify.looked_at',
    ...place,
    nodeId: 'n',
    faults: ['size_wrong'],
    doubts,
    fingerprint: null,
  },
  ...{ rateBps: 1, drawBps: 2, outcome, atMs: 1 },
})

function setup({ isOver = false } = {}) {
  const work = emptyWork()
  evolveWork(work, { type: 'work.job_submitted', ...planOf(), atMs: 0 })
  if (isOver) evolveWork(work, { type: 'work.job_ended', jobId: 'job_1', end: 'cancelled', atMs: 0 })
  return createCheckNews({ work, verify: emptyVerify() })
}

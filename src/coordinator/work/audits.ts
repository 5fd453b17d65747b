/** Audits that are open: each asks for one opinion after the other, by a job of its own, until they come to a verdict. */

import { formatId, ID_BYTES } from '#kernel/id.ts'
import { MINUTE_MS } from '#kernel/time.ts'
import { subjects } from '#protocol/cell.ts'
import { CompareCrops, CropsCompared, type RenderedAgain } from '#protocol/work-check.ts'
import { FIRST_CHECKED } from '#verify/audit-rate.ts'
import { decideVerify, findingOf } from '#verify/decide-verify.ts'
import { type Audit, auditAskedBy, auditByOf, keyOf, type ResultPlace } from '#verify/verify.ts'
import type { AuditBy, Verdict } from '#verify/verify-events.ts'
import { isOver as isJobOver, type Job, jobOf, taskOf } from '#work/work.ts'
import type { Turn } from '../turn.ts'
import { askKeeper } from './ask-keeper.ts'
import { auditClass, planAudit } from './audit-plan.ts'
import { isAnybodyThere, isReferenceComing, mayAnybodyCome, RETURN_MS } from './auditors.ts'
import { carryVerdict, isThere } from './carry-verdict.ts'
import { classOf, verifyIn } from './holdback.ts'
import type { InspectionParts } from './inspection.ts'

/** However much nodes of others have to do: an opinion takes no longer. */
const OPINION_MS_MAX = 30 * MINUTE_MS

export interface Opened {
  readonly place: ResultPlace
  readonly nodeId: string
  readonly picture: string
  readonly crops: string
  readonly askedBy?: string
}

export interface Audits {
  /** `askedBy` says that the result is wrong: none of its nodes is asked. */
  open(turn: Turn, of: Opened): void
  /** A task of this job counts: where it is an audit's, that is looked at. */
  rendered(turn: Turn, jobId: string): void
  /** What nobody will render any more, and what was forgotten with a start. To be done once a second. */
  review(turn: Turn): void
}

export function createAudits(parts: InspectionParts, isClosed: () => boolean): Audits {
  const { coordinator, desk, secrets } = parts
  /** Jobs whose results are being compared. */
  const comparing = new Set<string>()
  /** Since when nodes could have come back after a start. */
  let openedAtMs: number | null = null
  /** Since when the operator's own agent is on its way. */
  let calledAtMs: number | null = null
  /** Of audits that wait while nobody is there for them, by the job that asks: since when. */
  const aloneSinceMs = new Map<string, number>()

  function ask(turn: Turn, audit: Audit, by: AuditBy, notOf: readonly string[]): void {
    const { nowMs, state } = turn
    const { auditId } = audit
    const job = jobOf(state.work, audit.jobId)
    const isWhole = by === 'frame' || taskOf(job, audit).params['scale'] !== undefined
    const auditJobId = formatId('audit', secrets.randomBytes(ID_BYTES))
    const minClass = auditClass(job.minClass, classOf(turn, audit.nodeId))
    const asked = isWhole ? 'frame' : by
    const { askedBy } = audit
    const barred = [...new Set([...notOf, ...unheard(turn), ...(askedBy === undefined ? [] : [askedBy])])]
    const plan = planAudit({ auditJobId, audit, job, by: asked, notOf: barred, minClass })
    const refusal = desk.carryOut(turn, { kind: 'submit', plan, nowMs })
    if (refusal !== null) {
      parts.log.warn('audit.refused', { auditId, refusal })
      return close(turn, audit, 'nobody')
    }
    verifyIn(turn, { kind: 'ask', auditId, auditJobId, by: asked, nowMs })
    desk.serveWaiting(turn)
  }

  function next(turn: Turn, audit: Audit): void {
    const finding = findingOf(turn.state.verify, audit)
    if ('verdict' in finding) close(turn, audit, finding.verdict === 'disputed' ? 'disputed' : 'nobody')
    else ask(turn, audit, finding.ask, finding.notOf)
  }

  function close(
    turn: Turn,
    audit: Audit,
    verdict: Extract<Verdict, 'nobody' | 'disputed' | 'called_off'>,
  ): void {
    const jobId = audit.asked?.auditJobId
    const job = jobId === undefined ? undefined : turn.state.work.jobs.get(jobId)
    verifyIn(turn, { kind: 'close', auditId: audit.auditId, verdict, nowMs: turn.nowMs })
    if (job && !isJobOver(job)) desk.carryOut(turn, { kind: 'cancel', jobId: job.jobId, nowMs: turn.nowMs })
    carryVerdict(turn, desk, audit, verdict)
  }

  /** Nobody is there to say it: whoever has spoken against it alone is not enough, and nor is nobody. */
  const giveUp = (turn: Turn, audit: Audit): void =>
    close(turn, audit, audit.opinions.some(({ says }) => says === 'different') ? 'disputed' : 'nobody')

  function compare(turn: Turn, audit: Audit, job: Job): void {
    const { result } = taskOf(job, { step: 0, task: 0 })
    if (!result || comparing.has(job.jobId)) return
    comparing.add(job.jobId)
    const ownerId = turn.state.fleet.nodes.get(result.nodeId)?.organisationId
    const before = audit.opinions.findLast(
      ({ says, organisationId }) => says === 'different' && organisationId !== ownerId,
    )
    const message: CompareCrops = {
      organisationId: job.organisationId,
      picture: audit.picture,
      crops: audit.crops,
      ...againOf(result.outputs, audit.asked?.by ?? 'crops'),
      ...(before && { before: againOf(before.outputs, before.by) }),
    }
    const call = { subject: subjects.compareCrops, input: CompareCrops, output: CropsCompared, message }
    turn.after(() =>
      askKeeper(parts, call, {
        isOver: isClosed,
        isWanted: () => auditAskedBy(coordinator.state.verify, job.jobId) !== undefined,
        done: (found) => {
          comparing.delete(job.jobId)
          coordinator.execute((later) => heard(later, job.jobId, found))
        },
      }),
    )
  }

  function heard(turn: Turn, auditJobId: string, found: CropsCompared | null): void {
    const { state, nowMs } = turn
    const audit = auditAskedBy(state.verify, auditJobId)
    const job = state.work.jobs.get(auditJobId)
    if (!audit || !job) return
    if (found === null) return giveUp(turn, audit)
    const { nodeId = '', outputs = [] } = taskOf(job, { step: 0, task: 0 }).result ?? {}
    const organisationId = state.fleet.nodes.get(nodeId)?.organisationId ?? ''
    const { verdict: says, detail, agrees = null } = found
    const { auditId } = audit
    const told = { nodeId, organisationId, says, agrees, detail, outputs }
    const decided = decideVerify(state.verify, { kind: 'hear', auditId, auditJobId, ...told, nowMs })
    if (!Array.isArray(decided)) return giveUp(turn, audit)
    turn.record(decided)
    parts.log.info('audit.heard', { auditId, nodeId, says, detail })
    const closed = decided.find((event) => event.type === 'verify.audit_closed')
    if (closed) carryVerdict(turn, desk, audit, closed.verdict)
    else next(turn, audit)
    desk.serveWaiting(turn)
  }

  function reviewOne(turn: Turn, audit: Audit): void {
    const { state, nowMs } = turn
    if (!isThere(turn, audit) || isChecked(turn, audit)) return close(turn, audit, 'called_off')
    if (!audit.asked) return next(turn, audit)
    const { auditJobId, atMs } = audit.asked
    const job = state.work.jobs.get(auditJobId)
    if (!job || job.status === 'cancelled') return giveUp(turn, audit)
    if (job.status === 'completed') return compare(turn, audit, job)
    // Those that tried it could not: it is nobody's fault, and nobody can tell.
    if (job.status === 'paused' || nowMs - atMs >= OPINION_MS_MAX) return giveUp(turn, audit)
    const around = { desk, openedAtMs: openedAtMs ?? nowMs, calledAtMs }
    if (job.fences.size > 0 || isAnybodyThere(turn, job, around)) return void aloneSinceMs.delete(auditJobId)
    if (isReferenceComing(turn, job, around)) return
    // Without a node of another owner it counts all the same; one that is on its way back is waited for, and not for long. How
    // long it waited while somebody was there does not count: nodes that are busy are silent now and then.
    const sinceMs = aloneSinceMs.get(auditJobId) ?? nowMs
    aloneSinceMs.set(auditJobId, sinceMs)
    if (nowMs - sinceMs >= RETURN_MS || !mayAnybodyCome(turn, job, around)) giveUp(turn, audit)
  }

  /** Those whose opinion is there, or was given up, wait no more. */
  function forgetAlone({ state }: Turn): void {
    if (aloneSinceMs.size === 0) return
    const open = new Set([...state.verify.audits.values()].map(({ asked }) => asked?.auditJobId))
    for (const auditJobId of aloneSinceMs.keys()) if (!open.has(auditJobId)) aloneSinceMs.delete(auditJobId)
  }

  return {
    open(turn, opened) {
      const organisationId = turn.state.fleet.nodes.get(opened.nodeId)?.organisationId ?? ''
      verifyIn(turn, { kind: 'open_audit', ...opened, organisationId, nowMs: turn.nowMs })
      const audit = turn.state.verify.audits.get(keyOf(opened.place))
      if (audit) ask(turn, audit, auditByOf(turn.state.verify, audit), [organisationId])
    },
    rendered(turn, jobId) {
      const audit = auditAskedBy(turn.state.verify, jobId)
      if (audit) compare(turn, audit, jobOf(turn.state.work, jobId))
    },
    review(turn) {
      openedAtMs ??= turn.nowMs
      calledAtMs = parts.isReferenceCalled?.() ? (calledAtMs ?? turn.nowMs) : null
      forgetAlone(turn)
      for (const audit of [...turn.state.verify.audits.values()]) {
        // One verdict may have ended others.
        if (turn.state.verify.audits.has(audit.auditId)) reviewOne(turn, audit)
      }
    },
  }
}

/** It was delivered, its job ended, and somebody else looked at it meanwhile. */
const isChecked = ({ state }: Turn, audit: Audit): boolean =>
  taskOf(jobOf(state.work, audit.jobId), audit).result?.isChecked === true

/** Organisations that have said what turned out wrong so often are not asked any more, nor those that lied until they are trusted again. */
const WRONG_MAX = 2

const unheard = ({ state }: Turn): string[] =>
  [...state.verify.records].flatMap(([nodeId, { wrong, failed, passes }]) => {
    const isOut = wrong >= WRONG_MAX || (failed > 0 && passes < FIRST_CHECKED)
    const node = isOut ? state.fleet.nodes.get(nodeId) : undefined
    return node ? [node.organisationId] : []
  })

const againOf = (
  outputs: RenderedAgain['rendered'] | readonly RenderedAgain['rendered'][number][],
  by: AuditBy,
): RenderedAgain => ({
  rendered: [...outputs],
  isWhole: by === 'frame',
})

/**
 * Looks at the results of verified jobs. First for what can be seen without rendering, where the files lie; then chance, or a
 * doubt, has some rendered again in part by a node of another owner, and what that says is weighed. All of it is in the state:
 * after a start it goes on where it was.
 */
import type { Bus, Clock, Log, Secrets } from '#host/host.ts'
import { MINUTE_MS, SECOND_MS } from '#kernel/time.ts'
import { subjects } from '#protocol/cell.ts'
import { CheckOutputs, OutputsChecked } from '#protocol/work-check.ts'
import { decideVerify } from '#verify/decide-verify.ts'
import { isIrreproducible, keyOf, type ResultPlace, settledAs } from '#verify/verify.ts'
import { NOBODY_LOOKED } from '#verify/verify-events.ts'
import { jobOf, stepOf, taskOf } from '#work/work.ts'
import type { TaskPlace, WorkEvent } from '#work/work-events.ts'
import type { Coordinator } from '../coordinator.ts'
import type { Turn } from '../turn.ts'
import { askKeeper } from './ask-keeper.ts'
import { createAudits } from './audits.ts'
import { isThere, judge } from './carry-verdict.ts'
import { canBeAudited, doubtsOfTime, expectedOf, isTooLarge, resultKindOf } from './expected-result.ts'
import { classOf, freeExpired, verifyIn } from './holdback.ts'
import { type Inspection, verifying } from './trust-results.ts'
import type { WorkDesk } from './work-desk.ts'

export interface InspectionParts {
  readonly bus: Pick<Bus, 'request'>
  readonly clock: Pick<Clock, 'after'>
  readonly log: Log
  readonly secrets: Pick<Secrets, 'randomBytes'>
  readonly coordinator: Pick<Coordinator, 'execute' | 'state'>
  readonly desk: WorkDesk
  /** Whether the operator's own agent was called to check results, and nobody said that it cannot begin. */
  readonly isReferenceCalled?: () => boolean
}

const TICK_MS = SECOND_MS
const EXPIRED_EVERY_MS = MINUTE_MS

/** In order of precedence. */
export type RejectRefusal = 'nothing_to_judge' | 'checked_already' | 'settled_already' | 'not_comparable'

export interface FullInspection extends Inspection {
  /** Has a result looked at by an owner that is neither its maker nor its customer, whatever was drawn for it. Once: what comes of it stays. */
  reject(turn: Turn, place: TaskPlace & { readonly jobId: string }, reason: string): RejectRefusal | null
  /** Results of the job whose turn to be checked came and nobody independent was there. */
  unverifiedOf(jobId: string): number
}

/** Doubts that there are already, and whose they are. */
interface Why {
  readonly doubts: readonly string[]
  readonly askedBy?: string
}

export function createInspection(parts: InspectionParts): FullInspection {
  const { clock, coordinator, desk } = parts
  /** What somebody looks at now, or is to when its turn comes. */
  const looking = new Map<string, Why>()
  let isClosed = false
  const isOver = (): boolean => isClosed
  const audits = createAudits(parts, isOver)

  function look(turn: Turn, place: ResultPlace, why: Why = { doubts: [] }): void {
    const key = keyOf(place)
    if (!isThere(turn, place)) return
    const before = looking.get(key)
    // What its customer says while it waits counts; once, however often it is said.
    if (!before || (before.askedBy === undefined && why.askedBy !== undefined)) looking.set(key, why)
    if (before) return
    const { state } = turn
    const job = jobOf(state.work, place.jobId)
    const task = taskOf(job, place)
    const kind = resultKindOf(stepOf(job, place.step).requirements.kind, task)
    const message: CheckOutputs = {
      organisationId: job.organisationId,
      outputs: [...(task.result?.outputs ?? [])],
      kind,
      expected: expectedOf(job, place, state.verify.jobs.get(place.jobId)),
    }
    const call = { subject: subjects.checkOutputs, input: CheckOutputs, output: OutputsChecked, message }
    // What is not durable yet nobody may act on.
    turn.after(() =>
      askKeeper(parts, call, {
        isOver,
        isWanted: () => isThere(coordinator, place),
        done: (seen) => {
          const last = looking.get(key) ?? why
          looking.delete(key)
          coordinator.execute((later) => looked(later, place, { seen, ...last }))
        },
      }),
    )
  }

  /** `seen` is `null` where nobody could look for an hour: then nothing is known of it, good or bad, and it is not waited for longer. */
  function looked(
    turn: Turn,
    place: ResultPlace,
    { seen, doubts, askedBy }: Why & { seen: OutputsChecked | null },
  ): void {
    if (!isThere(turn, place) || turn.state.verify.audits.has(keyOf(place))) return
    const { state, nowMs } = turn
    const job = jobOf(state.work, place.jobId)
    const task = taskOf(job, place)
    const { nodeId = '', outputs = [] } = task.result ?? {}
    const kind = resultKindOf(stepOf(job, place.step).requirements.kind, task)
    const decided = decideVerify(state.verify, {
      kind: 'look',
      place,
      nodeId,
      nodeClass: classOf(turn, nodeId),
      faults: seen?.faults ?? [],
      doubts: seen ? [...doubts, ...seen.doubts, ...doubtsOfTime(job, task)] : [NOBODY_LOOKED],
      fingerprint: seen?.fingerprint ?? null,
      canAudit: seen !== null && seen.crops !== null && canBeAudited(kind),
      drawBps: drawBps(parts.secrets),
      nowMs,
    })
    if (!Array.isArray(decided)) return
    turn.record(decided)
    const outcome = decided.find((event) => event.type === 'verify.looked_at')?.outcome
    const [picture] = outputs
    if (outcome === 'audited' && picture && seen?.crops)
      audits.open(turn, {
        ...{ place, nodeId, picture: picture.sha256, crops: seen.crops },
        ...(askedBy !== undefined && { askedBy }),
      })
    else judge(turn, desk, place, { isGood: outcome !== 'bad', isChecked: outcome === 'bad' })
    desk.serveWaiting(turn)
  }

  function onEvent(turn: Turn, event: WorkEvent): void {
    if (event.type === 'work.accepted') audits.rendered(turn, event.jobId)
    if (event.type !== 'work.job_forgotten') return
    verifyIn(turn, { kind: 'forget_job', jobId: event.jobId })
    freeExpired(turn)
  }
  desk.onEvent(onEvent)

  /** What waits for a verdict and nobody looks at is looked at: what was forgotten with a start, or lost on its way. */
  function lookAround(turn: Turn): void {
    for (const job of turn.state.work.jobs.values()) {
      if (!job.isVerified) continue
      for (const { step, task } of verifying(job)) {
        const { result } = taskOf(job, { step, task })
        const place = { jobId: job.jobId, step, task, fence: result?.fence ?? 0 }
        if (!turn.state.verify.audits.has(keyOf(place))) look(turn, place)
      }
    }
  }

  let ticks = 0
  function tick(): void {
    if (isClosed) return
    coordinator.execute((turn) => {
      audits.review(turn)
      if (ticks++ % (EXPIRED_EVERY_MS / TICK_MS) === 0) freeExpired(turn)
    })
    clock.after(TICK_MS, tick)
  }

  return {
    delivered: (turn, place, fence) => look(turn, { ...place, fence }),
    opened() {
      coordinator.execute(lookAround)
      tick()
    },
    reject(turn, { jobId, step, task }, reason) {
      const job = jobOf(turn.state.work, jobId)
      const { result, state, params } = taskOf(job, { step, task })
      if (!result || result.fence === 0 || (state !== 'done' && state !== 'verifying'))
        return 'nothing_to_judge'
      const place = { jobId, step, task, fence: result.fence }
      const settled = settledAs(turn.state.verify, place)
      if (result.isChecked || settled === 'honest') return 'checked_already'
      if (settled !== undefined) return 'settled_already'
      const kind = resultKindOf(stepOf(job, step).requirements.kind, { params })
      const known = turn.state.verify.jobs.get(jobId)?.steps.get(step)
      const isUnseen = isTooLarge(expectedOf(job, { step, task }, undefined))
      if (!canBeAudited(kind) || isUnseen || isIrreproducible(known)) return 'not_comparable'
      look(turn, place, { doubts: [`its customer says: ${reason}`], askedBy: job.organisationId })
      return null
    },
    unverifiedOf: (jobId) => coordinator.state.verify.jobs.get(jobId)?.unverified ?? 0,
    close() {
      isClosed = true
    },
  }
}

/** Below 10,000, from bytes that nobody can foresee; of 2^32 numbers the last few count for nothing. */
function drawBps(secrets: Pick<Secrets, 'randomBytes'>): number {
  const bytes = secrets.randomBytes(4)
  const number = bytes.reduce((sum, byte) => sum * 256 + byte, 0)
  return number % 10_000
}

/** What follows from a verdict, in the turn in which it falls: for the result, for its node, and for the money. */
import { assert, unreachable } from '#kernel/assert.ts'
import { type Audit, recordOf } from '#verify/verify.ts'
import type { Verdict } from '#verify/verify-events.ts'
import { isOver, type Job, jobOf, taskOf } from '#work/work.ts'
import type { TaskPlace } from '#work/work-events.ts'
import type { Turn } from '../turn.ts'
import { forfeitPay, freeAged } from './holdback.ts'
import { giveBack } from './task-pay.ts'
import type { WorkDesk } from './work-desk.ts'

/** So many verdicts that it lied, and a node is shut out until an operator lets it in again. */
const LIES_MAX = 2

export function carryVerdict(
  turn: Turn,
  desk: Pick<WorkDesk, 'carryOut' | 'feeBps'>,
  audit: Audit,
  verdict: Verdict,
): void {
  const { nodeId } = audit
  switch (verdict) {
    case 'honest':
      judge(turn, desk, audit, { isGood: true, isChecked: true })
      return freeAged(turn, nodeId)
    case 'nobody':
    case 'irreproducible':
      return judge(turn, desk, audit, { isGood: true, isChecked: false })
    case 'disputed':
      // Whoever is right, it is made again, by another.
      return judge(turn, desk, audit, { isGood: false, isChecked: false })
    case 'liar':
      judge(turn, desk, audit, { isGood: false, isChecked: true })
      repay(turn, desk.feeBps, audit)
      return punish(turn, desk, audit)
    case 'called_off':
      return
    default:
      unreachable(verdict)
  }
}

/** Nothing of it where the result is gone meanwhile, or the job is over and stays as it is. */
export function judge(
  turn: Turn,
  desk: Pick<WorkDesk, 'carryOut'>,
  { jobId, step, task, fence }: TaskPlace & { readonly jobId: string; readonly fence: number },
  verdict: { readonly isGood: boolean; readonly isChecked: boolean },
): void {
  if (!isThere(turn, { jobId, step, task, fence }) || isOver(jobOf(turn.state.work, jobId))) return
  const refusal = desk.carryOut(turn, { kind: 'judge', jobId, step, task, ...verdict, nowMs: turn.nowMs })
  assert(refusal === null, `what waits for its verdict may be judged, and not ${refusal}`)
}

/** Whether the task has this very result. */
export function isThere(
  { state }: Pick<Turn, 'state'>,
  { jobId, step, task, fence }: TaskPlace & { readonly jobId: string; readonly fence: number },
): boolean {
  const found = state.work.jobs.get(jobId)?.steps[step]?.tasks[task]
  return (found?.state === 'verifying' || found?.state === 'done') && found.result?.fence === fence
}

/** A job that is over is not made again: what a false result of it cost comes back. */
function repay(turn: Turn, feeBps: number, { jobId, step, task, fence }: Audit): void {
  if (!isThere(turn, { jobId, step, task, fence })) return
  const job = jobOf(turn.state.work, jobId)
  const { result } = taskOf(job, { step, task })
  if (isOver(job) && result) giveBack(turn, { job, place: { step, task }, result, feeBps })
}

/** What it made for jobs that go on and nobody looked at is made again, and what is held back of its pay is lost. */
function punish(turn: Turn, desk: Pick<WorkDesk, 'carryOut'>, { jobId, step, task, nodeId }: Audit): void {
  const { nowMs, state } = turn
  for (const job of [...state.work.jobs.values()]) {
    if (isOver(job) || !job.isVerified || (job.jobId !== jobId && !hasUnchecked(job, nodeId))) continue
    const refusal = desk.carryOut(turn, { kind: 'condemn', jobId: job.jobId, nodeId, nowMs })
    assert(refusal === null, `a node may be condemned in a job that goes on, and not ${refusal}`)
  }
  forfeitPay(turn, nodeId)
  const { failed } = recordOf(state.verify, nodeId)
  if (failed < LIES_MAX) return
  const reason = `${failed} of its results were found to be false, the last was task ${task} of step ${step} of ${jobId}`
  turn.fleet({ kind: 'ban', nodeId, reason, nowMs })
}

const hasUnchecked = ({ steps }: Job, nodeId: string): boolean =>
  steps.some(({ tasks }) =>
    tasks.some(
      ({ state, result }) =>
        (state === 'verifying' || state === 'done') && result?.nodeId === nodeId && !result.isChecked,
    ),
  )

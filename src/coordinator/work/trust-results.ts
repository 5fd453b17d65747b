import type { Job } from '#work/work.ts'
import type { TaskPlace } from '#work/work-events.ts'
import type { Coordinator } from '../coordinator.ts'
import type { Turn } from '../turn.ts'
import type { WorkDesk } from './work-desk.ts'

/** Looks at results of jobs that are verified, and judges them sooner or later. */
export interface Inspection {
  /** In the turn in which the bytes of the result were said to be there. */
  delivered(turn: Turn, place: TaskPlace & { readonly jobId: string }, fence: number): void
  /** Once, when this coordinator began to lead: goes on with what waits for a verdict. */
  opened(): void
  /** Looks at nothing any more. */
  close?(): void
}

/** Judges every result good, and looked at by nobody. */
export function trustResults(coordinator: Pick<Coordinator, 'execute'>, desk: WorkDesk): Inspection {
  const accept = (turn: Turn, place: TaskPlace & { readonly jobId: string }): void =>
    void desk.carryOut(turn, { kind: 'judge', ...place, isGood: true, isChecked: false, nowMs: turn.nowMs })
  return {
    delivered: accept,
    opened: () =>
      coordinator.execute((turn) => {
        for (const job of turn.state.work.jobs.values())
          for (const place of verifying(job)) accept(turn, place)
      }),
  }
}

/** Results of the job that wait for a verdict. */
export const verifying = ({ jobId, steps }: Job): (TaskPlace & { readonly jobId: string })[] =>
  steps.flatMap(({ tasks, counts }, step) =>
    counts.verifying === 0
      ? []
      : tasks.flatMap(({ state }, task) => (state === 'verifying' ? [{ jobId, step, task }] : [])),
  )

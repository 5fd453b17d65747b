/** What a coordinator shows of jobs. */
import type { Coordinator } from '#coordinator/coordinator.ts'
import type { WorkDesk } from '#coordinator/work/work-desk.ts'
import { type AnyFamily, createMetrics } from '#host/metrics.ts'
import { taskStates } from '#work/task-counts.ts'
import { isOver, type Job } from '#work/work.ts'
import { workMetrics } from './metric-tables.ts'

export interface WorkMetrics {
  readonly families: readonly AnyFamily[]
  /** Counts what happens from now on. */
  watch(known: WatchedWork): void
  /** Sets what is shown as it is now. */
  collect(known: WatchedWork): void
}

export interface WatchedWork {
  readonly coordinator: Pick<Coordinator, 'state' | 'nowMs' | 'onEvent'>
  readonly desk: Pick<WorkDesk, 'floor'>
}

export function createWorkMetrics(): WorkMetrics {
  const metrics = createMetrics(workMetrics)

  return {
    families: Object.values(metrics),
    watch({ coordinator: { state, onEvent } }) {
      const purposeOf = (jobId: string): string => state.work.jobs.get(jobId)?.purpose ?? 'work'
      onEvent((event) => {
        switch (event.type) {
          case 'work.granted':
            return metrics.grants.of(purposeOf(event.jobId)).add()
          case 'work.attempt_ended':
            return metrics.ended.of(event.how).add()
          case 'work.rejected':
            return metrics.rejected.of().add()
          case 'work.job_submitted':
            if (event.purpose === 'audit') metrics.audits.of().add()
            return
          case 'work.committed': {
            // An attempt that was delivered in the same turn is known no more; its job's purpose is then not told.
            const jobId = state.work.attempts.get(event.fence)?.jobId
            const purpose = jobId === undefined ? 'work' : purposeOf(jobId)
            metrics.reference.of(purpose).add(event.referenceMs / 1_000)
            return
          }
        }
      })
    },
    collect({ coordinator: { state, nowMs }, desk: { floor } }) {
      metrics.jobs.clear()
      metrics.tasks.clear()
      for (const job of state.work.jobs.values()) collectJob(job, metrics)
      const atMs = nowMs()
      metrics.nodes
        .of()
        .set([...floor.nodes()].filter(({ facts }) => floor.isAlive(facts.nodeId, atMs)).length)
    },
  }
}

function collectJob(job: Job, { jobs, tasks }: ReturnType<typeof createMetrics<typeof workMetrics>>): void {
  const { purpose = 'work', status, steps } = job
  jobs.of(purpose, status).add()
  if (isOver(job)) return
  for (const { counts } of steps) {
    for (const state of taskStates) if (counts[state] > 0) tasks.of(purpose, state).add(counts[state])
  }
}

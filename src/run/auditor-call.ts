/** The operator's own agent that checks results: whoever started this process begins it when there is a job, and not before. */
import type { Coordinator } from '#coordinator/coordinator.ts'
import { isOver } from '#work/work.ts'

export interface AuditorCall {
  /** Calls it, once, as soon as there is a job: by the time that there is something to check, it is there or on its way. */
  watch(coordinator: Pick<Coordinator, 'state' | 'onEvent'>): void
  /** It was called, and may come: results wait for it. */
  isOnItsWay(): boolean
  /** It cannot begin until a person changes something. */
  failed(): void
}

/** `hasReference`: who is called has such an agent to begin. */
export function createAuditorCall(
  call: () => void,
  { hasReference }: { hasReference: boolean },
): AuditorCall {
  let isCalled = false
  let hasFailed = false
  const callOnce = (): void => {
    if (isCalled) return
    isCalled = true
    call()
  }
  return {
    watch({ state, onEvent }) {
      if ([...state.work.jobs.values()].some((job) => !isOver(job))) callOnce()
      onEvent((event) => {
        if (event.type === 'work.job_submitted') callOnce()
      })
    },
    isOnItsWay: () => hasReference && isCalled && !hasFailed,
    failed() {
      hasFailed = true
    },
  }
}

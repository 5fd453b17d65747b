import type { Clock } from '#host/host.ts'
import type { ProofCheck, ProofVerdict } from '#verify/hardware/check-proof.ts'

/**
 * Checks that wait, done one after the other in pieces of about a millisecond: between two pieces everything else of the
 * process has its turn, so that no turn waits for a check.
 */
export interface CheckQueue {
  /** `done` runs once, with the verdict. */
  add(check: ProofCheck, done: (verdict: ProofVerdict) => void): void
  close(): void
}

export function createCheckQueue(clock: Pick<Clock, 'after'>): CheckQueue {
  const waiting: { readonly check: ProofCheck; readonly done: (verdict: ProofVerdict) => void }[] = []
  let isRunning = false

  function next(): void {
    const first = waiting[0]
    if (!first) {
      isRunning = false
      return
    }
    const verdict = first.check.advance()
    clock.after(0, next)
    if (verdict === null) return
    waiting.shift()
    first.done(verdict)
  }

  return {
    add(check, done) {
      waiting.push({ check, done })
      if (isRunning) return
      isRunning = true
      clock.after(0, next)
    },
    close: () => void waiting.splice(0),
  }
}

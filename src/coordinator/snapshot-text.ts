/**
 * Takes the state as text, between two turns: meanwhile nobody is answered, so the pause has a limit, and so has the size.
 * A state grows with what is alive: about 0.3 KB and 3 µs for an account.
 */
import type { Clock, Log } from '#host/host.ts'
import { type CoordinatorState, formatState } from './coordinator-state.ts'

export interface SnapshotLimits {
  /** The longest pause that one may make; half of a leader's lease. */
  readonly pauseMsMax: number
  /** Characters; the engine's own limit for a text is twice that. */
  readonly charsMax: number
}
export const SNAPSHOT_LIMITS: SnapshotLimits = { pauseMsMax: 1_000, charsMax: 256 * 2 ** 20 }

export interface SnapshotText {
  /**
   * The state's text, or `null` where there is to be no snapshot. After one that was over a limit there is none until
   * the next start, which is said in the log: restarts then replay more, and a standby's snapshots go on.
   */
  take(state: CoordinatorState): string | null
}

export function createSnapshotText(
  { clock, log }: { readonly clock: Pick<Clock, 'elapsedMs'>; readonly log: Log },
  { pauseMsMax, charsMax }: SnapshotLimits = SNAPSHOT_LIMITS,
): SnapshotText {
  let isOver = false
  return {
    take(state) {
      if (isOver) return null
      const startedMs = clock.elapsedMs()
      const text = textOf(state)
      const tookMs = Math.round(clock.elapsedMs() - startedMs)
      const chars = text?.length ?? Number.POSITIVE_INFINITY
      isOver = tookMs > pauseMsMax || chars > charsMax
      if (isOver)
        log.warn('snapshot.too_large', { tookMs, pauseMsMax, chars: text?.length ?? null, charsMax })
      return chars > charsMax ? null : text
    },
  }
}

/** `null` for a state whose text the engine cannot hold. */
function textOf(state: CoordinatorState): string | null {
  try {
    return formatState(state)
  } catch (error) {
    if (error instanceof RangeError) return null
    throw error
  }
}

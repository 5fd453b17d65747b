/** Auditors that say nothing usable: each holds a place for as long as it may take, and others wait. */
import type { Clock } from '#host/host.ts'
import { MINUTE_MS } from '#kernel/time.ts'

export interface Silences {
  note(nodeId: string, hasSpoken: boolean): void
  /** It was silent lately, again and again, and is not asked. */
  isResting(nodeId: string): boolean
}

/** In a row. */
const SILENCES_MAX = 2
const REST_MS = 10 * MINUTE_MS
const NODES_MAX = 10_000

export function createSilences(clock: Pick<Clock, 'elapsedMs'>): Silences {
  const silent = new Map<string, { count: number; lastMs: number }>()
  return {
    note(nodeId, hasSpoken) {
      const count = (silent.get(nodeId)?.count ?? 0) + 1
      silent.delete(nodeId)
      if (hasSpoken) return
      const [oldest] = silent.keys()
      if (silent.size >= NODES_MAX && oldest !== undefined) silent.delete(oldest)
      silent.set(nodeId, { count, lastMs: clock.elapsedMs() })
    },
    isResting(nodeId) {
      const found = silent.get(nodeId)
      if (!found || found.count < SILENCES_MAX) return false
      return clock.elapsedMs() - found.lastMs < REST_MS
    },
  }
}

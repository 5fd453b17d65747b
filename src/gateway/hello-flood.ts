/**
 * What keeps a gateway whole while strangers come by the thousand: how many connections may be unproven at once, how many
 * refusals are signed and written down in a second, and how often an unknown name makes it ask the coordinator.
 */
import type { Clock, Log, LogFields } from '#host/host.ts'

export interface HelloFlood {
  /** A connection that has not proven who it is. The oldest is closed when there are too many. */
  wait(close: () => void): { over(): void }
  /** Whether this refusal may still be answered in full; beyond that a connection is just closed. */
  mayAnswer(): boolean
  /** Writes a refusal down, or counts it where there are too many to write down. */
  denied(fields: LogFields): void
  /** Whether the coordinator may be asked about an unknown name now. */
  mayAsk(): boolean
}

/** A node says hello within a round trip: only who says nothing waits long. */
export const UNPROVEN_MAX = 1_000
const ANSWERS_PER_SECOND = 200
const LINES_PER_SECOND = 10
const ASK_EVERY_MS = 250

export function createHelloFlood({ clock, log }: { clock: Clock; log: Log }): HelloFlood {
  const unproven = new Set<{ close: () => void }>()
  let dropped = 0
  const answers = perSecond(clock, ANSWERS_PER_SECOND)
  let unwritten = 0
  const lines = perSecond(clock, LINES_PER_SECOND, () => {
    if (unwritten + dropped > 0) log.warn('node.hellos_flood', { denied: unwritten, dropped })
    unwritten = 0
    dropped = 0
  })
  let askedAtMs = Number.NEGATIVE_INFINITY
  return {
    wait(close) {
      const one = { close }
      unproven.add(one)
      const [oldest] = unproven
      if (unproven.size > UNPROVEN_MAX && oldest) {
        unproven.delete(oldest)
        dropped++
        oldest.close()
      }
      return { over: () => void unproven.delete(one) }
    },
    mayAnswer: () => answers(),
    denied(fields) {
      if (lines()) log.warn('node.denied', fields)
      else unwritten++
    },
    mayAsk() {
      const nowMs = clock.elapsedMs()
      if (nowMs < askedAtMs + ASK_EVERY_MS) return false
      askedAtMs = nowMs
      return true
    },
  }
}

/** True for the first `max` calls of each second; `onNext` runs with the first call of another. */
function perSecond(clock: Clock, max: number, onNext: () => void = () => {}): () => boolean {
  let second = Number.NEGATIVE_INFINITY
  let count = 0
  return () => {
    const now = Math.floor(clock.elapsedMs() / 1_000)
    if (now !== second) {
      second = now
      count = 0
      onNext()
    }
    return ++count <= max
  }
}

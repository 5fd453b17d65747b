import type { Clock } from '../host.ts'

/** A clock that stands still until it is told to go on. */
export interface HandClock extends Pick<Clock, 'elapsedMs' | 'after'> {
  /** Goes on by `ms` and runs what has become due, in order. */
  advance(ms: number): void
}

export function createHandClock(): HandClock {
  let nowMs = 1_000
  let timers: { dueAtMs: number; run: () => void }[] = []
  return {
    elapsedMs: () => nowMs,
    after(delayMs, run) {
      const timer = { dueAtMs: nowMs + delayMs, run }
      timers.push(timer)
      return {
        cancel() {
          timers = timers.filter((other) => other !== timer)
        },
      }
    },
    advance(ms) {
      const endMs = nowMs + ms
      for (;;) {
        const [next] = timers.filter((timer) => timer.dueAtMs <= endMs).sort((a, b) => a.dueAtMs - b.dueAtMs)
        if (!next) break
        timers = timers.filter((other) => other !== next)
        nowMs = next.dueAtMs
        next.run()
      }
      nowMs = endMs
    },
  }
}

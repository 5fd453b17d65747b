import type { Clock } from '#host/host.ts'
import type { Fetch } from '#protocol/client.ts'

/** Virtual time for code that also talks to real servers: it stands still while an answer is on its way. */
export interface TestClock extends Clock {
  /** Lets `durationMs` pass, timer by timer. */
  run(durationMs: number): Promise<void>
  /** A fetch that the clock waits for. */
  watch(fetch: Fetch): Fetch
}

interface Waiting {
  readonly atMs: number
  readonly run: () => void
}

export function createTestClock(startMs: number): TestClock {
  let passedMs = 0
  let inFlight = 0
  const timers = new Set<Waiting>()

  /** Until nothing moves any more at this instant. */
  async function settle(): Promise<void> {
    for (let quiet = 0; quiet < QUIET_TURNS; quiet = inFlight > 0 ? 0 : quiet + 1)
      await new Promise((resolve) => setImmediate(resolve))
  }

  return {
    nowMs: () => startMs + passedMs,
    elapsedMs: () => passedMs,
    after(delayMs, run) {
      const timer = { atMs: passedMs + delayMs, run }
      timers.add(timer)
      return { cancel: () => void timers.delete(timer) }
    },
    async run(durationMs) {
      const untilMs = passedMs + durationMs
      for (;;) {
        await settle()
        let next: Waiting | null = null
        for (const timer of timers)
          if (timer.atMs <= untilMs && (!next || timer.atMs < next.atMs)) next = timer
        if (!next) break
        timers.delete(next)
        passedMs = next.atMs
        next.run()
      }
      passedMs = untilMs
    },
    watch: (fetch) => async (request) => {
      inFlight++
      try {
        const response = await fetch(request)
        return new Response(await response.text(), response)
      } finally {
        inFlight--
      }
    },
  }
}

/** Reading a body that is there takes a few turns of the event loop. */
const QUIET_TURNS = 4

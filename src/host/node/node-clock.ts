import type { Clock, Timer } from '#host/host.ts'
import { assert } from '#kernel/assert.ts'

/** The longest wait that `setTimeout` takes (24.8 days): it fires at once for anything above. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1

/** The machine's own clock. Timers never fire early by `elapsedMs`, and never keep the process alive. */
export const nodeClock: Clock = {
  nowMs: () => Date.now(),
  elapsedMs: () => performance.now(),
  after(delayMs, run) {
    assert(delayMs >= 0 && Number.isFinite(delayMs), `a timer takes a delay of 0 ms or more, not ${delayMs}`)
    return new NodeTimer(delayMs, run)
  },
}

class NodeTimer implements Timer {
  readonly #dueAtMs: number
  readonly #run: () => void
  #timeout: NodeJS.Timeout

  constructor(delayMs: number, run: () => void) {
    this.#dueAtMs = performance.now() + delayMs
    this.#run = run
    this.#timeout = this.#sleep(delayMs)
  }

  cancel(): void {
    clearTimeout(this.#timeout)
  }

  #sleep(delayMs: number): NodeJS.Timeout {
    return setTimeout(wake, Math.min(Math.ceil(delayMs), TIMEOUT_MS_MAX), this).unref()
  }

  /** The event loop counts whole milliseconds and may wake a fraction early; a long wait takes several sleeps. */
  wake(): void {
    const remainingMs = this.#dueAtMs - performance.now()
    if (remainingMs > 0) this.#timeout = this.#sleep(remainingMs)
    else this.#run()
  }
}

const wake = (timer: NodeTimer): void => timer.wake()

import type { Clock } from '#host/host.ts'
import { isPassing } from './explain-failure.ts'

const DELAY_MS_MIN = 500
const DELAY_MS_MAX = 5_000
/** Without a byte: longer than any lease, so whoever had no luck for so long has nothing to deliver any more. */
const MS_MAX = 120_000

/** Tries again what failed for a reason that passes, and gives up two minutes after `onMoved` was called last, or with the signal. */
export async function persist<Result>(
  clock: Clock,
  signal: AbortSignal,
  run: (onMoved: () => void) => Promise<Result>,
): Promise<Result> {
  let movedAtMs = clock.elapsedMs()
  let delayMs = DELAY_MS_MIN
  const onMoved = (): void => {
    movedAtMs = clock.elapsedMs()
    delayMs = DELAY_MS_MIN
  }
  for (;;) {
    try {
      return await run(onMoved)
    } catch (error) {
      signal.throwIfAborted()
      if (!isPassing(error) || clock.elapsedMs() - movedAtMs > MS_MAX) throw error
      await sleep(clock, delayMs, signal)
      delayMs = Math.min(DELAY_MS_MAX, delayMs * 2)
    }
  }
}

/** Rejects with the reason of `signal` once that is aborted. */
export function sleep(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const onAbort = (): void => {
      timer.cancel()
      reject(signal.reason)
    }
    const timer = clock.after(ms, () => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    })
    signal.addEventListener('abort', onAbort, { once: true })
  })
}

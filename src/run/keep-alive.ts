const PERIOD_MS = 1_000_000

/** Keeps this process alive until the returned function is called: timers alone do not, nor does a promise that is awaited. */
export function keepAlive(): () => void {
  const timer = setInterval(() => undefined, PERIOD_MS)
  return () => clearInterval(timer)
}

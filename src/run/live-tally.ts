import { HistogramSeries } from '#host/metrics.ts'
import { LIVE_BOUNDS_MS } from '#protocol/live.ts'

/** Ticks are a little late. */
const WINDOW_MS = 10_500
/** Times are of the last one to two of these. */
const TIMES_MS = 30_000
/** What has not moved for this long is forgotten. */
const IDLE_MS = 600_000

/** Counts of one thing, and how fast they grew in the last seconds. To be ticked every second. */
export class Tally {
  tokens = 0
  requests = 0
  failures = 0
  /** The counts of the last ticks, oldest first. */
  readonly #past: { readonly atMs: number; readonly tokens: number; readonly requests: number }[] = []
  #times = new HistogramSeries(LIVE_BOUNDS_MS)
  #timesBefore = new HistogramSeries(LIVE_BOUNDS_MS)
  #timesSinceMs: number
  #movedMs: number
  #seen = 0

  constructor(nowMs: number, sinceMs: number = nowMs) {
    this.#past.push({ atMs: sinceMs, tokens: 0, requests: 0 })
    this.#timesSinceMs = nowMs
    this.#movedMs = nowMs
  }

  /** From when on its rates are: others that begin now are compared with it if they begin there, too. */
  get sinceMs(): number {
    return this.#past[0]?.atMs ?? 0
  }

  firstToken(ms: number): void {
    this.#times.observe(ms)
  }

  tick(nowMs: number): void {
    this.#past.push({ atMs: nowMs, tokens: this.tokens, requests: this.requests })
    while (this.#past.length > 2 && nowMs - this.sinceMs > WINDOW_MS) this.#past.shift()
    if (nowMs - this.#timesSinceMs >= TIMES_MS) {
      this.#timesBefore = this.#times
      this.#times = new HistogramSeries(LIVE_BOUNDS_MS)
      this.#timesSinceMs = nowMs
    }
    const seen = this.tokens + this.requests + this.failures
    if (seen !== this.#seen) this.#movedMs = nowMs
    this.#seen = seen
  }

  isIdle = (nowMs: number): boolean => nowMs - this.#movedMs > IDLE_MS

  rates(): { requestsPerSecond: number; tokensPerSecond: number; firstTokens: number[] } {
    const [first, last] = [this.#past[0], this.#past.at(-1)]
    const seconds = first && last ? (last.atMs - first.atMs) / 1_000 : 0
    const rate = (grown: number): number => (seconds > 0 ? Math.round((grown / seconds) * 100) / 100 : 0)
    return {
      requestsPerSecond: rate((last?.requests ?? 0) - (first?.requests ?? 0)),
      tokensPerSecond: rate((last?.tokens ?? 0) - (first?.tokens ?? 0)),
      firstTokens: this.#times.counts.map((count, index) => count + (this.#timesBefore.counts[index] ?? 0)),
    }
  }
}

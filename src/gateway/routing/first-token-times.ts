/** How long first tokens take, by the length of the prompt: the times after which something is out of the ordinary. */
const KEPT = 256
/** Below so many measurements nothing is known. */
const SAMPLES_MIN = 20
/** A quantile is worked out anew after so many more. */
const STALE_AFTER = 16
/** Tokens below which a prompt is short, and below which it is not long. */
const LIMITS = [1_000, 8_000] as const

interface Bucket {
  readonly times: number[]
  next: number
  fresh: number
  p95: number
}

export class FirstTokenTimes {
  readonly #buckets: Bucket[] = [...LIMITS, 0].map(() => ({ times: [], next: 0, fresh: 0, p95: 0 }))

  add(tookMs: number, promptTokens: number): void {
    const bucket = this.#bucketOf(promptTokens)
    bucket.times[bucket.next] = tookMs
    bucket.next = (bucket.next + 1) % KEPT
    bucket.fresh++
  }

  /** Of prompts of about this length; null while too few are known. */
  p95(promptTokens: number): number | null {
    const bucket = this.#bucketOf(promptTokens)
    const { times } = bucket
    if (times.length < SAMPLES_MIN) return null
    if (bucket.fresh >= STALE_AFTER || bucket.p95 === 0) {
      const sorted = times.toSorted((a, b) => a - b)
      bucket.p95 = sorted[Math.floor(sorted.length * 0.95)] ?? 0
      bucket.fresh = 0
    }
    return bucket.p95
  }

  #bucketOf(promptTokens: number): Bucket {
    const index = LIMITS.findIndex((limit) => promptTokens < limit)
    return this.#buckets[index === -1 ? LIMITS.length : index] as Bucket
  }
}

/** How long first tokens take, by the length of the prompt: the times after which something is out of the ordinary. */
const KEPT = 256
/** Below so many measurements nothing is known. */
const SAMPLES_MIN = 20
/** A quantile is worked out anew after so many more. */
const STALE_AFTER = 16
/** Tokens below which a prompt is short, and below which it is not long. */
const LIMITS = [1_000, 8_000] as const
/** Of those a node's own mean says more than how fast it reads. */
export const isShort = (promptTokens: number): boolean => promptTokens < LIMITS[0]

interface Bucket {
  readonly times: number[]
  next: number
  fresh: number
  p95: number
}

export class FirstTokenTimes {
  /** How long each took by what its node mostly takes. */
  readonly #ratios: Bucket = { times: [], next: 0, fresh: 0, p95: 0 }
  readonly #buckets: Bucket[] = [...LIMITS, 0].map(() => ({ times: [], next: 0, fresh: 0, p95: 0 }))

  add(tookMs: number, promptTokens: number): void {
    put(this.#bucketOf(promptTokens), tookMs)
  }

  /** One took so many times as long as first tokens of its node mostly do. */
  addRatio(ratio: number): void {
    put(this.#ratios, ratio)
  }

  /** Of 20 requests 19 take no more than so many times what is usual of their node; null while too few are known. */
  ratioP95 = (): number | null => p95Of(this.#ratios)

  /** Of prompts of about this length; null while too few are known. */
  p95(promptTokens: number): number | null {
    return p95Of(this.#bucketOf(promptTokens))
  }

  #bucketOf(promptTokens: number): Bucket {
    const index = LIMITS.findIndex((limit) => promptTokens < limit)
    return this.#buckets[index === -1 ? LIMITS.length : index] as Bucket
  }
}

function put(bucket: Bucket, value: number): void {
  bucket.times[bucket.next] = value
  bucket.next = (bucket.next + 1) % KEPT
  bucket.fresh++
}

function p95Of(bucket: Bucket): number | null {
  const { times } = bucket
  if (times.length < SAMPLES_MIN) return null
  if (bucket.fresh >= STALE_AFTER || bucket.p95 === 0) {
    const sorted = times.toSorted((a, b) => a - b)
    bucket.p95 = sorted[Math.floor(sorted.length * 0.95)] ?? 0
    bucket.fresh = 0
  }
  return bucket.p95
}

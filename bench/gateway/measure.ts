/** One measurement: the load tool against one target, and what the kernel counted meanwhile. */
import { createInterface } from 'node:readline'
import { assert } from '#kernel/assert.ts'
import { busyMicros, cpuMicrosOf, LOAD_CORE, memoryOf, startOn } from './cores.ts'
import type { Pace, Target } from './target.ts'

/** Microseconds. */
export interface Spread {
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly max: number
}

/** What the load tool prints. */
export interface LoadResult {
  readonly requests: number
  readonly seconds: number
  readonly perSecond: number
  /** Answers that were not 200, cut off, or incomplete. */
  readonly errors: number
  readonly tokens: number
  readonly tokensPerSecond: number
  /** Tokens that were not the next one of their stream. */
  readonly wrongTokens: number
  /** Requests that were due and found no free connection. */
  readonly late: number
  readonly cpuMicros: number
  /** Until the first token of a stream, or the first byte of an answer's body. */
  readonly first: Spread | null
  readonly total: Spread | null
  /** Between two tokens of a stream. */
  readonly gap: Spread | null
}

export interface Measurement extends LoadResult {
  /** Of the measured process; null where there is none. */
  readonly cpuMicrosPerRequest: number | null
  readonly cpuMicrosPerToken: number | null
  /** Of the one core that the measured process has. */
  readonly corePercent: number | null
  readonly memoryBytes: number | null
  /** Of one core: what ran beside all that belongs to the bench. */
  readonly foreignPercent: number
}

export interface Ask {
  readonly pace: Pace
  /** For the load tool: `conns=32`, `rate=100`. */
  readonly load: readonly string[]
  readonly warmSeconds: number
  readonly seconds: number
}

interface Counters {
  readonly atMs: number
  readonly busy: number
  readonly own: number
  readonly measured: number
}

export async function measureOnce(program: string, target: Target, ask: Ask): Promise<Measurement> {
  const { pace, load, warmSeconds, seconds } = ask
  const told = await target.at(pace)
  const child = startOn({ core: LOAD_CORE, stdio: ['ignore', 'pipe', 'inherit'] }, [
    program,
    ...told,
    ...load,
    `stream=${pace === 'whole' ? 0 : 1}`,
    `warm=${warmSeconds}`,
    `seconds=${seconds}`,
  ])
  const count = (): Counters => ({
    atMs: performance.now(),
    busy: busyMicros(),
    // The load tool tells by itself what it used: it is gone when it is asked.
    own: cpuMicrosOf(process.pid, child.pid),
    measured: target.pid === null ? 0 : cpuMicrosOf(target.pid),
  })
  let before: Counters | null = null
  let after: Counters | null = null
  let memoryBytes: number | null = null
  let result: LoadResult | null = null
  const { stdout } = child
  assert(stdout, 'a child with a pipe has it')
  for await (const line of createInterface({ input: stdout })) {
    if (line === 'measuring') {
      before = count()
      continue
    }
    after = count()
    memoryBytes = target.pid === null ? null : memoryOf(target.pid)
    result = JSON.parse(line) as LoadResult
  }
  if (!before || !after || !result) throw new Error(`The load on ${target.name} ended without a result.`)
  return { ...result, ...shares(result, before, after, target.pid !== null), memoryBytes }
}

/** What the counters say of the time between them. */
export function shares(result: LoadResult, before: Counters, after: Counters, isMeasured: boolean) {
  const micros = (after.atMs - before.atMs) * 1_000
  const measured = after.measured - before.measured
  const own = after.own - before.own + result.cpuMicros
  const foreign = after.busy - before.busy - own
  return {
    cpuMicrosPerRequest: isMeasured && result.requests > 0 ? measured / result.requests : null,
    cpuMicrosPerToken: isMeasured && result.tokens > 0 ? measured / result.tokens : null,
    corePercent: isMeasured ? (measured / micros) * 100 : null,
    foreignPercent: Math.max(0, (foreign / micros) * 100),
  }
}

/** Measures until nobody else took more than `foreignPercentMax`, at most `tries` times, and answers the least disturbed. */
export async function measureQuietly(
  measure: () => Promise<Measurement>,
  { tries, foreignPercentMax }: { tries: number; foreignPercentMax: number },
): Promise<Measurement> {
  let best: Measurement | null = null
  for (let attempt = 0; attempt < tries; attempt++) {
    const measurement = await measure()
    if (!best || measurement.foreignPercent < best.foreignPercent) best = measurement
    if (best.foreignPercent <= foreignPercentMax) break
  }
  assert(best, 'there is at least one try')
  return best
}

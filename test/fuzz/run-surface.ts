/** Sends a surface its inputs, at a steady rate, and keeps the first that fails. */
import { setTimeout as sleep } from 'node:timers/promises'
import { createRandom } from '#kernel/random.ts'
import type { Surface, Verdict } from './surface.ts'

export interface RunOptions {
  readonly count: number
  readonly seed: number
  readonly inFlight: number
  /** Inputs a second at most: a flood would measure the machine rather than the network. */
  readonly perSecond: number
  /** Inputs that are in order, of a surface that has some. */
  readonly isGood?: boolean
}

export interface SurfaceRun {
  readonly surface: string
  readonly seed: number
  readonly count: number
  readonly refused: number
  /** Refused by a 5xx that the documents call temporary. */
  readonly unavailable: number
  /** Harmless after all, and answered as such. */
  readonly accepted: number
  /** Taken, and left before the end; or as good as before. */
  readonly held: number
  readonly failed: number
  readonly firstFailure: { readonly complaint: string; readonly inputBase64: string } | null
  readonly durationMs: number
}

export async function runSurface(surface: Surface, options: RunOptions): Promise<SurfaceRun> {
  const random = createRandom(options.seed)
  const counts = { refused: 0, unavailable: 0, accepted: 0, held: 0, failed: 0 }
  let firstFailure: SurfaceRun['firstFailure'] = null
  let started = 0
  const startedMs = performance.now()
  const work = async (): Promise<void> => {
    while (started < options.count) {
      const aheadMs = (started / options.perSecond) * 1_000 - (performance.now() - startedMs)
      started++
      const input = options.isGood ? surface.nextGood?.(random) : surface.next(random)
      if (!input) return
      if (aheadMs > 1) await sleep(aheadMs)
      const verdict = await attempt(surface, input)
      if (typeof verdict === 'string') counts[verdict]++
      else {
        counts.failed++
        firstFailure ??= { complaint: verdict.complaint, inputBase64: input.toString('base64') }
      }
    }
  }
  await Promise.all(Array.from({ length: options.inFlight }, work))
  const { count, seed } = options
  const durationMs = performance.now() - startedMs
  return { surface: surface.name, seed, count, ...counts, firstFailure, durationMs }
}

async function attempt(surface: Surface, input: Buffer): Promise<Verdict> {
  try {
    return await surface.attempt(input)
  } catch (error) {
    return { complaint: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}

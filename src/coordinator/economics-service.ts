/**
 * Questions of strangers to the economics, bounded: anybody may ask, so no more than two are computed at once, a few wait
 * and the rest are told to come back. The coordinator's own thread computes none of it.
 */
import { z } from 'zod'
import type { Clock } from '#host/host.ts'
import { BoundedQueue } from '#kernel/bounded-queue.ts'
import { GpuList, NetworkComparison, PlaceList, RoiReply } from '#protocol/economics.ts'
import { Problem } from '#protocol/problem.ts'
import type { EconomicsAnswer, EconomicsJob, openRefuser, Said } from './economics-work.ts'

export interface EconomicsParts {
  readonly clock: Pick<Clock, 'nowMs'>
  /** The shipped data, parsed as JSON. Throws `Problem('config_invalid')` where it cannot be read. */
  dataFiles(): EconomicsJob['files']
  /** Runs the function `name` of `module` in a thread of its own; rejects with a `Problem`. */
  compute(call: { module: string; name: string; args: readonly unknown[] }): Promise<unknown>
}

export interface EconomicsService {
  listGpus(): Promise<z.output<typeof GpuList>>
  listPlaces(): Promise<z.output<typeof PlaceList>>
  /** Rejects with `Problem('invalid_request')` for what cannot be right, and with `queue_full`. */
  assess(said: Said): Promise<RoiReply>
  compare(said: Said): Promise<NetworkComparison>
}

const RUNNING_MAX = 2
const WAITING_MAX = 8
const WORK = new URL(import.meta.url.replace(/economics-service(\.\w+)$/, 'economics-work$1')).href

export function createEconomicsService(parts: EconomicsParts): EconomicsService {
  const slots = createSlots()
  let refuser: Promise<ReturnType<typeof openRefuser>> | null = null
  /** A thread for what is wrong anyway would cost a thousand times as much. */
  const refusedAtOnce = async (job: EconomicsJob): Promise<EconomicsAnswer | null> => {
    refuser ??= import('./economics-work.ts').then(({ openRefuser }) => openRefuser(job.files))
    try {
      return (await refuser)(job)
    } catch {
      // A bug, or files that are not the shipped ones: the thread fails of the same, and of that nobody else dies.
      refuser = null
      return null
    }
  }
  const answer = async <T extends z.ZodType>(
    call: EconomicsJob['call'],
    schema: T,
    said: Said = {},
  ): Promise<z.output<T>> => {
    const job: EconomicsJob = { call, said, files: parts.dataFiles(), nowMs: parts.clock.nowMs() }
    const run = () => parts.compute({ module: WORK, name: 'answerEconomics', args: [job] })
    const isQuestion = call === 'roi' || call === 'networks'
    const refused = isQuestion ? await refusedAtOnce(job) : null
    const done = refused ?? ((await slots(run)) as EconomicsAnswer)
    if (done.kind === 'refused') throw new Problem('invalid_request', done.message)
    return z.decode(schema, done.reply as z.input<T>)
  }
  // They change with the release alone. A failure is not kept.
  const once = <T>(load: () => Promise<T>): (() => Promise<T>) => {
    let kept: Promise<T> | null = null
    return () => {
      kept ??= load().catch((error: unknown) => {
        kept = null
        throw error
      })
      return kept
    }
  }
  return {
    listGpus: once(() => answer('gpus', GpuList)),
    listPlaces: once(() => answer('places', PlaceList)),
    assess: (said) => answer('roi', RoiReply, said),
    compare: (said) => answer('networks', NetworkComparison, said),
  }
}

/** Runs no more than `RUNNING_MAX` at once, in the order in which they came. */
function createSlots(): <T>(run: () => Promise<T>) => Promise<T> {
  const waiting = new BoundedQueue<() => void>(WAITING_MAX)
  let running = 0
  const turn = (): Promise<void> => {
    if (running < RUNNING_MAX) {
      running += 1
      return Promise.resolve()
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    if (waiting.push(resolve)) return promise
    throw new Problem(
      'queue_full',
      'Many are asking for forecasts just now. Try again in a few seconds; `shoal roi` computes the same on your own machine.',
    )
  }
  return async (run) => {
    await turn()
    try {
      return await run()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else running -= 1
    }
  }
}

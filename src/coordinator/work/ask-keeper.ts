/** Asks whoever keeps the files of jobs to look at some of them, again where no answer comes. */
import type { z } from 'zod'
import type { Bus, Clock, Log } from '#host/host.ts'
import { MINUTE_MS, SECOND_MS } from '#kernel/time.ts'
import { jsonWriter } from '#protocol/wire-form.ts'

export interface AskKeeperParts {
  readonly bus: Pick<Bus, 'request'>
  readonly clock: Pick<Clock, 'after'>
  readonly log: Log
}

/** For an answer. Then it is asked again at once: what waits for its turn there keeps its place, and answers who asked last. */
const TIMEOUT_MS = 40 * SECOND_MS
/** After an answer that says nothing, and twice as long after each more of them. */
const RETRY_MS = 2 * SECOND_MS
const RETRY_MS_MAX = MINUTE_MS
/** However many others are before it: that the network is slow turns no check off. */
const PATIENCE_MS = 60 * MINUTE_MS

/**
 * `done` gets the answer, or `null` when none came for an hour, or nobody waits for it any more. It is not called after
 * `isOver` answers true.
 */
export function askKeeper<In, Out>(
  { bus, clock, log }: AskKeeperParts,
  call: {
    readonly subject: string
    readonly input: z.ZodType<In>
    readonly output: z.ZodType<Out>
    readonly message: In
  },
  { isOver, isWanted, done }: { isOver(): boolean; isWanted(): boolean; done(answer: Out | null): void },
): void {
  const message = jsonWriter(call.input)(call.message)
  const { subject, output } = call
  let tries = 0
  let retryMs = RETRY_MS
  let isLate = false
  const patience = clock.after(PATIENCE_MS, () => {
    isLate = true
  })

  function end(answer: Out | null): void {
    patience.cancel()
    if (!isOver()) done(answer)
  }

  function again(isSilent: boolean): void {
    if (isSilent) return ask()
    clock.after(retryMs, ask)
    retryMs = Math.min(2 * retryMs, RETRY_MS_MAX)
  }

  function ask(): void {
    if (isOver() || isLate || !isWanted()) return end(null)
    tries++
    bus.request({ subject, message, timeoutMs: TIMEOUT_MS }, (problem, reply) => {
      const parsed = problem ? null : output.safeParse(parseJson(reply))
      if (parsed?.success) return end(parsed.data)
      // Of many that wait for long, a few words each.
      if (Number.isInteger(Math.log2(tries)))
        log.warn('check.unanswered', {
          ...{ subject, tries },
          message: problem?.message ?? 'the answer has another form',
        })
      again(problem?.code === 'bus_timeout')
    })
  }
  ask()
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // The schema refuses it.
  }
}

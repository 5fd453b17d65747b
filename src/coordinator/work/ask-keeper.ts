/** Asks whoever keeps the files of jobs to look at some of them, again where no answer comes. */
import type { z } from 'zod'
import type { Bus, Clock, Log } from '#host/host.ts'
import { SECOND_MS } from '#kernel/time.ts'
import { jsonWriter } from '#protocol/wire-form.ts'

export interface AskKeeperParts {
  readonly bus: Pick<Bus, 'request'>
  readonly clock: Pick<Clock, 'after'>
  readonly log: Log
}

const TIMEOUT_MS = 40 * SECOND_MS
const RETRY_MS = 2 * SECOND_MS
const TRIES_MAX = 4

/** `done` gets the answer, or `null` when none came for long. It is not called after `isOver` answers true. */
export function askKeeper<In, Out>(
  { bus, clock, log }: AskKeeperParts,
  call: {
    readonly subject: string
    readonly input: z.ZodType<In>
    readonly output: z.ZodType<Out>
    readonly message: In
  },
  { isOver, done }: { isOver(): boolean; done(answer: Out | null): void },
): void {
  const message = jsonWriter(call.input)(call.message)
  const { subject, output } = call
  let tries = 0
  function ask(): void {
    if (isOver()) return
    tries++
    bus.request({ subject, message, timeoutMs: TIMEOUT_MS }, (problem, reply) => {
      if (isOver()) return
      const parsed = problem ? null : output.safeParse(parseJson(reply))
      if (parsed?.success) return done(parsed.data)
      log.warn('check.unanswered', { subject, message: problem?.message ?? 'the answer has another form' })
      if (tries < TRIES_MAX) clock.after(RETRY_MS, ask)
      else done(null)
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

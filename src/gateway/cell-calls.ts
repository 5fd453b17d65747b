import type { z } from 'zod'
import type { Bus, Log } from '#host/host.ts'
import { type QuickReader, quickReader } from '#protocol/quick-reader.ts'
import { jsonWriter } from '#protocol/wire-form.ts'

/** One kind of call to the coordinator: its subject and what crosses. */
export interface CellCall<In, Out> {
  readonly subject: string
  readonly write: (input: In) => string
  readonly output: QuickReader<Out>
}

export const cellCall = <In, Out>(
  subject: string,
  input: z.ZodType<In>,
  output: z.ZodType<Out>,
): CellCall<In, Out> => ({ subject, write: jsonWriter(input), output: quickReader(output) })

/** How long a gateway waits for the coordinator before it tries again. */
export const CELL_TIMEOUT_MS = 2_000

/** Asks the coordinator; `done` gets `null` when no usable answer came in time, and the caller tries again later. */
export function callCell<In, Out>(
  { bus, log }: { bus: Bus; log: Log },
  call: CellCall<In, Out>,
  input: In,
  done: (output: Out | null) => void,
): void {
  const message = call.write(input)
  bus.request({ subject: call.subject, message, timeoutMs: CELL_TIMEOUT_MS }, (problem, reply) => {
    if (problem) return done(null)
    const parsed = call.output.safeParse(JSON.parse(reply))
    if (!parsed.success)
      log.error('bus.reply_malformed', { subject: call.subject, message: parsed.error.message })
    done(parsed.success ? parsed.data : null)
  })
}

import { z } from 'zod'

/** What a process of a cell tells about itself besides its log. Traces are set up by OpenTelemetry's own variables. */
export const TelemetryConfig = z.object({
  /** Opens `/metrics` from everywhere; without it that is for this machine and for operators' keys. */
  metricsToken: z.string().min(1).nullable(),
  /** One line for each call; null: none. */
  accessLog: z
    .object({
      /** Null: standard output. */
      file: z.string().min(1).nullable(),
      bytesMax: z.int().positive(),
      filesMax: z.int().positive(),
      hasPrompts: z.boolean(),
    })
    .nullable(),
})
export type TelemetryConfig = z.output<typeof TelemetryConfig>

/** Nothing that somebody has to ask for. */
export const QUIET: TelemetryConfig = { metricsToken: null, accessLog: null }

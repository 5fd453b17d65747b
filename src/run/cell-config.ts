import { z } from 'zod'
import { NanoUsd } from '#protocol/money.ts'

/** How one cell runs: what the supervisor tells its child process. */
export const CellConfig = z.object({
  dataFolder: z.string().min(1),
  hostname: z.string().min(1),
  port: z.int().min(0).max(65_535),
  networkName: z.string().min(1).max(100),
  /** The network's part of each request, in hundredths of a percent. */
  feeBps: z.int().min(0).max(10_000),
  /** Test money of a new network's founder. */
  testBalance: NanoUsd,
  logLevel: z.enum(['info', 'warn', 'error']),
})
export type CellConfig = z.output<typeof CellConfig>

/** What the supervisor and the cell's process say to each other. */
export const CellMessage = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('ready'),
    apiUrl: z.string(),
    openaiBaseUrl: z.string(),
    apiKey: z.string(),
    operatorKey: z.string(),
    port: z.int(),
  }),
  z.object({ type: z.literal('token'), token: z.string() }),
  z.object({ type: z.literal('failed'), code: z.string(), message: z.string() }),
])
export type CellMessage = z.output<typeof CellMessage>
/** A cell's process loads its code and then waits for `start`, so that a spare one can take over at once. */
export const CellOrder = z.discriminatedUnion('type', [
  z.object({ type: z.literal('start'), config: CellConfig }),
  z.object({ type: z.literal('token') }),
  z.object({ type: z.literal('stop') }),
])
export type CellOrder = z.output<typeof CellOrder>

import { z } from 'zod'
import { NanoUsd } from '#protocol/money.ts'
import { ListenConfig } from './listen-config.ts'
import { TelemetryConfig } from './telemetry-config.ts'

/** How one cell runs: what the supervisor tells its child process. */
export const CellConfig = z.object({
  /** `cell`: coordinator and gateway in one process. The others share a database and a bus with the rest of the cell. */
  role: z.enum(['cell', 'coordinator', 'gateway']),
  /** Where journal and read models are, when not in the data folder: `postgres://…`. */
  databaseUrl: z.string().nullable(),
  /** Between processes of one cell: `nats://…`; needed by `coordinator` and `gateway`. */
  busUrl: z.string().nullable(),
  /** What all coordinators and gateways of a cell share; `<dataFolder>/secrets` when null. */
  secretsFolder: z.string().nullable(),
  /** The process that this one replaces, known to be dead, as it was called on the journal's server: its lease is no obstacle. */
  predecessor: z.string().nullable(),
  /** Of several gateways on this machine that share one port: those with the same group hand calls to each other. */
  worker: z.object({ group: z.string(), index: z.int(), count: z.int() }).optional(),
  dataFolder: z.string().min(1),
  listen: ListenConfig,
  networkName: z.string().min(1).max(100),
  /** The network's part of each request, in hundredths of a percent. */
  feeBps: z.int().min(0).max(10_000),
  /** Test money of a new network's founder. */
  testBalance: NanoUsd,
  /** The list price of an hour of a rendering node of speed 1; the usual one unless given. */
  renderPrice: NanoUsd.optional(),
  /** The least that is paid out at once. */
  payoutMin: NanoUsd.optional(),
  /** Whether nodes prove their hardware before they get work; `required` unless given. */
  nodeProofs: z.enum(['required', 'off']).optional(),
  /** Whether nodes look at answers of others, and pay stands in for those that nobody looked at; `on` unless given. */
  answerAudits: z.enum(['on', 'off']).optional(),
  /** How many nodes without verified work may join within a day, of one owner and of one network (IPv4 /24, IPv6 /48); 20 and 3 unless given. */
  joinLimits: z.object({ perOwner: z.int().positive(), perNetwork: z.int().positive() }).optional(),
  /** Whether the supervisor begins the operator's own agent that checks, once it is told that one is wanted; not unless given. */
  hasReference: z.boolean().optional(),
  /** The operator's own server that is told of alerts. */
  alertWebhook: z.string().min(1).optional(),
  logLevel: z.enum(['info', 'warn', 'error']),
  /** Files whose vocabularies count answers anew, by model. `isOwn`: this machine's node serves it. */
  tokenizers: z.record(z.string(), z.object({ path: z.string(), isOwn: z.boolean() })).optional(),
  /** Nothing that has to be asked for, unless given. */
  telemetry: TelemetryConfig.optional(),
})
export type CellConfig = z.output<typeof CellConfig>

/** Whose node a token enrols: the founder's, or the operator's own that checks what others render. */
export const TokenOwner = z.enum(['founder', 'reference'])
export type TokenOwner = z.output<typeof TokenOwner>

/** What the supervisor and the cell's process say to each other. */
export const CellMessage = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('ready'),
    apiUrl: z.string(),
    openaiBaseUrl: z.string(),
    /** Null where another machine has the founder's keys. */
    apiKey: z.string().nullable(),
    operatorKey: z.string().nullable(),
    /** Where agents and clients elsewhere reach it. */
    publicUrl: z.string(),
    port: z.int(),
    localPort: z.int(),
    /** How this process is called on the journal's server. */
    holder: z.string(),
  }),
  /** It waits for its turn to lead; `apiUrl` is null while it does not listen. */
  z.object({ type: z.literal('standby'), holder: z.string(), apiUrl: z.string().nullable() }),
  z.object({ type: z.literal('token'), token: z.string(), owner: TokenOwner }),
  /** There are jobs whose results are checked. */
  z.object({ type: z.literal('auditors_wanted') }),
  z.object({ type: z.literal('failed'), code: z.string(), message: z.string() }),
])
export type CellMessage = z.output<typeof CellMessage>
/** A cell's process loads its code and then waits for `start`, so that a spare one can take over at once. */
export const CellOrder = z.discriminatedUnion('type', [
  z.object({ type: z.literal('start'), config: CellConfig }),
  z.object({ type: z.literal('token'), owner: TokenOwner }),
  /** The agent that was wanted cannot begin. */
  z.object({ type: z.literal('auditor_failed') }),
  z.object({ type: z.literal('stop') }),
])
export type CellOrder = z.output<typeof CellOrder>

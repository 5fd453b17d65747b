import { z } from 'zod'
import { BackstopPrice } from '#protocol/capability.ts'
import { NanoUsd } from '#protocol/money.ts'
import { Region } from '#protocol/node-class.ts'
import { EnergyConfig } from './energy-config.ts'
import { HostingConfig } from './hosting-config.ts'
import { OwnerRulesConfig, TasksConfig } from './tasks-config.ts'

/** How one agent runs: the node's folder, the network it joins, what it serves and what it asks. */
export const AgentConfig = z.object({
  /** Keys, identity, models and logs of this node. */
  folder: z.string().min(1),
  apiUrl: z.url(),
  /** Enrols the node the first time; null afterwards. */
  token: z.string().nullable(),
  /** Serves also a network that cannot prove its key, as after a rollback of the network. */
  allowsUnproven: z.boolean(),
  name: z.string().min(1).max(100),
  askPerGpuHour: NanoUsd,
  /** Where the machine stands, as its owner states it. */
  region: Region.nullable(),
  /** Taken off the ask for work of batches, in hundredths of a percent; null takes none of it. */
  batchDiscountBps: z.int().min(0).max(10_000).nullable(),
  cachedDiscountBps: z.int().min(0).max(10_000).optional(),
  engine: z.discriminatedUnion('kind', [
    /** It serves what the network places on it alone. */
    z.object({ kind: z.literal('none') }),
    z.object({
      kind: z.literal('llama-cpp'),
      /** A path, `hf:owner/repo/file.gguf` or an address. */
      model: z.string().min(1),
      modelId: z.string().min(1).max(200),
      gpu: z.union([z.literal('auto'), z.literal('cuda'), z.literal('vulkan'), z.literal(false)]),
      /** Where the builds for GPUs are that `shoal engine install` brought. */
      enginesFolder: z.string().nullable(),
      threads: z.int().positive().nullable(),
      slots: z.int().positive().nullable(),
    }),
    z.object({
      kind: z.literal('openai'),
      baseUrl: z.url(),
      apiKey: z.string().nullable(),
      /** Its owner says that it keeps no prompts. */
      keepsNoPrompts: z.boolean(),
      /** It is paid by the token and serves only what no other node can. */
      backstop: BackstopPrice.nullable(),
      slots: z.int().positive().nullable(),
    }),
  ]),
  /** Null: the network places nothing on it. */
  hosting: HostingConfig.nullable(),
  /** Absent or null: it takes no tasks. */
  tasks: TasksConfig.nullable().optional(),
  /** Absent: it works whenever there is work. */
  rules: OwnerRulesConfig.optional(),
  energy: EnergyConfig,
  /** Shows its metrics there, on 127.0.0.1 alone; nowhere unless given. */
  metricsPort: z.int().min(0).max(65_535).nullable().optional(),
  logLevel: z.enum(['info', 'warn', 'error']),
})
export type AgentConfig = z.output<typeof AgentConfig>

/** What an agent's process tells the one that started it. */
export const AgentMessage = z.discriminatedUnion('type', [
  z.object({ type: z.literal('state'), state: z.string(), nodeId: z.string().nullable() }),
  z.object({
    type: z.literal('serving'),
    nodeId: z.string(),
    /** It takes no work now, for electricity costs more than work brings. */
    isParked: z.boolean(),
    models: z.array(z.object({ id: z.string(), slots: z.int(), tokensPerSecond: z.number() })),
  }),
  /** Something about it that its owner should know. */
  z.object({ type: z.literal('note'), text: z.string() }),
  z.object({ type: z.literal('failed'), code: z.string(), message: z.string() }),
])
export type AgentMessage = z.output<typeof AgentMessage>

import { z } from 'zod'
import { ModelName } from '#protocol/model-catalogue.ts'

/** What a node gives to models that the network places on it. */
export const HostingConfig = z.object({
  /** Models that are let in; null for all. */
  accepts: z.array(ModelName).nullable(),
  /** Null: most of the GPUs' memory, or half of the machine's. */
  memoryMib: z.int().positive().nullable(),
  /** Null: half of what is free on the disk. */
  cacheMib: z.int().positive().nullable(),
  /** Hosts that files are fetched from although they are not public. */
  fileHosts: z.array(z.string()),
  /** Hosts of servers that requests are passed on to, and the key for them. */
  upstreamHosts: z.array(z.string()),
  upstreamKey: z.string().nullable(),
  hubUrl: z.url(),
  gpu: z.union([z.literal('auto'), z.literal('cuda'), z.literal('vulkan'), z.literal(false)]),
  enginesFolder: z.string().nullable(),
  threads: z.int().positive().nullable(),
})
export type HostingConfig = z.output<typeof HostingConfig>

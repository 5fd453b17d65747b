/**
 * What a node can do, as measured on it: the agent fills it, the fleet keeps it, the router and the prices read it.
 * A node's claims are hostile input, so everything is bounded and nothing unknown passes.
 */
import { z } from 'zod'
import { ModelName, WANTED_MODELS_MAX } from './model-catalogue.ts'
import { NanoUsd } from './money.ts'
import { Region } from './node-class.ts'

const COUNT_MAX = 64
const isAmount = (amount: bigint): boolean => amount >= 0n
/** Far above any machine, far below where sums of integers lose exactness. */
const MIB_MAX = 2 ** 40
const Text = z.string().max(200)
const Mib = z.int().min(0).max(MIB_MAX)
const Watts = z.number().min(0).max(1_000_000)
const TokensPerSecond = z.number().min(0).max(1e9)

/** One slice of a partitioned GPU. `profile` is the vendor's name for its size, such as `1g.10gb`. */
export const MigDevice = z.object({
  index: z.int().min(0).max(COUNT_MAX),
  profile: Text,
  uuid: Text,
})
export type MigDevice = z.output<typeof MigDevice>

export const Gpu = z
  .object({
    index: z.int().min(0).max(1024),
    uuid: Text,
    vendor: z.enum(['nvidia', 'amd']),
    name: Text,
    vramMib: Mib.describe(
      '0 when the GPU does not say: broken, or one that shares the memory of the machine.',
    ),
    vramUsedMib: Mib.nullable(),
    utilisationPercent: z.number().min(0).max(100).nullable(),
    powerWatts: Watts.nullable(),
    powerLimitWatts: Watts.nullable(),
    temperatureC: z.number().min(-100).max(1000).nullable(),
    driver: Text.nullable(),
    pcieGeneration: z.int().min(0).max(100).nullable().describe('Of the link now: an idle GPU may lower it.'),
    pcieLanes: z.int().min(0).max(100).nullable(),
    mig: z
      .object({ devices: z.array(MigDevice).max(COUNT_MAX) })
      .nullable()
      .describe('Its partitions; `null` when it is not partitioned.'),
    healthy: z.boolean(),
    unhealthyReason: Text.nullable().describe('What is wrong with it; `null` while it is healthy.'),
  })
  .meta({
    id: 'Gpu',
    description: 'One GPU as its driver describes it. `null` is what the driver does not tell.',
  })
export type Gpu = z.output<typeof Gpu>

/** One model that the node serves, with its measured speeds. */
export const ModelCapability = z
  .object({
    id: Text.min(1),
    fingerprint: Text.describe('Identifies the weights: a stream is never continued on other ones.'),
    tasks: z.array(z.enum(['chat', 'completion', 'embedding'])).max(3),
    contextTokens: z.int().positive().max(100_000_000),
    slots: z.int().positive().max(4096).describe('Requests computed at once.'),
    prefillTokensPerSecond: TokensPerSecond.describe('Prompt tokens, one request alone.'),
    decodeTokensPerSecond: TokensPerSecond.describe(
      'Generated tokens of all requests together, every slot busy.',
    ),
    decodeTokensPerSecondSingle: TokensPerSecond.describe('Generated tokens, one request alone.'),
    resumes: z
      .boolean()
      .optional()
      .describe(
        'It goes on behind the token ids of an answer that another node with the same weights began.',
      ),
    features: z
      .array(z.string().max(40))
      .max(COUNT_MAX)
      .optional()
      .describe(
        'What its engine can do beyond plain text: `tools`, `tool_choice`, `json_object`, `json_schema`, `logprobs`, `logit_bias`, `score`.',
      ),
  })
  .meta({ id: 'ModelCapability' })
export type ModelCapability = z.output<typeof ModelCapability>

/** What the node gives to models that the network places on it. */
export const HostingCapability = z
  .object({
    memoryMib: Mib.describe('For weights and contexts, of the GPUs or of the machine.'),
    cacheMib: Mib.describe('For files on its disk.'),
    accepts: z.array(ModelName).max(COUNT_MAX).nullable().describe('`null`: whatever is placed on it.'),
    cached: z
      .array(z.string().max(64))
      .max(WANTED_MODELS_MAX)
      .describe('Files that it has already, by their keys.'),
    bytesPerSecond: z
      .number()
      .min(0)
      .max(1e15)
      .describe('Bytes of weights that it goes through in a second of decoding.'),
  })
  .meta({ id: 'HostingCapability' })
export type HostingCapability = z.output<typeof HostingCapability>

/** What a node of last resort asks, per million tokens: what its own supplier asks, and not by the hour. */
export const BackstopPrice = z
  .object({
    promptPerMillion: NanoUsd.refine(isAmount),
    completionPerMillion: NanoUsd.refine(isAmount),
    cachedPerMillion: NanoUsd.refine(isAmount)
      .optional()
      .describe('Of input that it has read before; as of other input unless given.'),
  })
  .meta({ id: 'BackstopPrice', description: 'Per million tokens.' })
export type BackstopPrice = z.output<typeof BackstopPrice>

export const Capability = z
  .object({
    agentVersion: Text,
    osName: Text,
    cpu: z.object({ model: Text, cores: z.int().positive().max(65_536) }),
    memoryMib: Mib,
    diskFreeMib: Mib.describe('Free to the agent in its data folder.'),
    gpus: z.array(Gpu).max(COUNT_MAX),
    powerWatts: Watts.nullable().describe(
      'Draw of the parts that measure themselves (GPU boards, CPU packages): a lower bound of the draw at the wall. `null` when none does.',
    ),
    network: z
      .object({
        roundTripMs: z.number().nonnegative().describe('To the network it joined, the quickest of a few.'),
      })
      .nullish()
      .describe('Measured when the agent joins; absent from agents that do not measure it.'),
    engines: z.array(Text).max(COUNT_MAX),
    computesOn: z
      .enum(['cpu', 'cuda', 'vulkan', 'metal'])
      .nullish()
      .describe('What the built-in engine computes on; absent or `null` where another engine computes.'),
    models: z.array(ModelCapability).max(COUNT_MAX),
    problems: z
      .array(Text)
      .max(COUNT_MAX)
      .describe('What the agent found wrong while it measured, for the owner.'),
    region: Region.nullish().describe(
      'Where it stands, as its owner states it; absent or `null` when unsaid.',
    ),
    backstop: BackstopPrice.optional().describe(
      'It serves only what no other node can, at this price; absent from every other node.',
    ),
    keepsNoPrompts: z
      .boolean()
      .optional()
      .describe(
        'Its engines keep nothing of what they are asked: the built-in one, or another of which its owner says so.',
      ),
    hosting: HostingCapability.nullish().describe(
      'What it gives to models that the network places; absent or `null` where its owner alone chooses.',
    ),
    batchDiscountBps: z
      .int()
      .min(0)
      .max(10_000)
      .nullish()
      .describe(
        'What its owner takes off the ask for work of batches, in hundredths of a percent; absent or `null`: it takes none of it.',
      ),
    cachedDiscountBps: z
      .int()
      .min(0)
      .max(10_000)
      .nullish()
      .describe(
        'What its owner takes off the ask for input that its engine had read before, in hundredths of a percent; absent or `null`: nothing.',
      ),
    parkedReason: Text.nullish().describe(
      'Why the node takes no new work by its own choice; absent or `null` while it takes some.',
    ),
  })
  .meta({ id: 'Capability' })
export type Capability = z.output<typeof Capability>

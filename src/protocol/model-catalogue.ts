/** The network's catalogue of models: what it is to serve, from where a node gets it, and how far each node is with it. */
import { z } from 'zod'
import { hexOf } from './field.ts'
import { NanoUsd } from './money.ts'
import { NodeClass } from './node-class.ts'
import { pageOf } from './page.ts'
import { SlaClass } from './sla.ts'

export const MODEL_REPLICAS_MAX = 1_000
/** What one request may hold and how many are computed at once, where the operator says nothing. */
export const MODEL_CONTEXT_TOKENS_DEFAULT = 8_192
export const MODEL_SLOTS_DEFAULT = 4

export const ModelName = z
  .string()
  .max(200)
  .regex(
    /^[A-Za-z0-9][\w.:@+-]*(\/[\w.:@+-]+){0,3}$/,
    'expected a name of letters, digits and . : @ + - _, such as llama-3.2-3b or org/model:q4',
  )
  .meta({ id: 'ModelName', description: 'The name by which callers ask for it.' })

const Address = z
  .url({ protocol: /^https?$/ })
  .max(2_000)
  .refine(hasNoLogin, 'an address with a login in it would show it to every node')
function hasNoLogin(text: string): boolean {
  const url = URL.parse(text)
  return url !== null && url.username === '' && url.password === ''
}

const FilePath = z
  .string()
  .max(1_000)
  .regex(/^(\/|[A-Za-z]:[\\/])\P{Cc}*\.gguf$/iu, 'expected the absolute path of a .gguf file')
const Repository = z.string().regex(/^[\w.-]{1,100}\/[\w.-]{1,150}$/, 'expected owner/repository')
const HubFile = z
  .string()
  .max(300)
  .regex(/^[\w.+-]+(\/[\w.+-]+)*\.gguf$/i, 'expected the path of a .gguf file in the repository')
const Revision = z.string().regex(/^[\w.-]{1,100}$/)

const file = {
  kind: z.literal('file'),
  path: FilePath,
  sha256: hexOf(32).describe('A node loads the file only if it is this one.'),
}
const url = { kind: z.literal('url'), url: Address, sha256: hexOf(32).optional() }
const hub = {
  kind: z.literal('hub'),
  repository: Repository,
  file: HubFile.optional().describe('Where it is left out, the repository’s only GGUF file, or its Q4_K_M.'),
  revision: Revision.optional(),
  sha256: hexOf(32).optional(),
}
const upstream = {
  kind: z.literal('upstream'),
  baseUrl: Address,
  model: ModelName.optional().describe('What that server calls it; the same unless given.'),
}

/** Where a node gets the model. */
export const CatalogueSource = z
  .discriminatedUnion('kind', [z.object(file), z.object(url), z.object(hub), z.object(upstream)])
  .meta({ id: 'CatalogueSource' })
export type CatalogueSource = z.output<typeof CatalogueSource>
/** As a caller gives it: nothing unknown passes. */
const GivenSource = z.discriminatedUnion('kind', [
  z.strictObject(file),
  z.strictObject(url),
  z.strictObject(hub),
  z.strictObject(upstream),
])

const facts = {
  sizeBytes: z
    .int()
    .positive()
    .max(2 ** 50),
  kvBytesPerToken: z
    .int()
    .nonnegative()
    .max(2 ** 30)
    .describe('Of the context, for each of its tokens.'),
  contextTokens: z.int().positive().max(100_000_000).describe('The longest that it was made for.'),
}
/** What a model takes, as its file says. */
export const ModelFacts = z.object(facts).meta({ id: 'ModelFacts' })
export type ModelFacts = z.output<typeof ModelFacts>

const Price = NanoUsd.refine(
  (price) => price >= 0n && price <= 10n ** 18n,
  'expected a price of zero or more',
)
const price = { input: Price, cached: Price, output: Price }

/** Of a million tokens each. */
export const CataloguePrice = z
  .object(price)
  .meta({ id: 'CataloguePrice', description: 'Of a million tokens each.' })
export type CataloguePrice = z.output<typeof CataloguePrice>
const GivenPrice = z
  .strictObject(price)
  .refine(({ input, cached }) => cached <= input, 'cached input may cost no more than input')

const Replicas = z.int().min(0).max(MODEL_REPLICAS_MAX)
/** What an operator may set of a model, and change later. */
const settings = {
  price: GivenPrice.nullable()
    .optional()
    .describe('What callers are quoted. Nodes that ask more are not used, unless `priceMax` says otherwise.'),
  priceMax: GivenPrice.nullable().optional().describe('Nodes that ask more than this are not used.'),
  replicasMin: Replicas.optional().describe(
    'Kept loaded whatever the demand; 0 unloads it when nobody asks.',
  ),
  replicasMax: Replicas.optional(),
  minClass: NodeClass.optional().describe('Nodes below it do not serve the model.'),
  contextTokens: z.int().positive().max(1_000_000).optional(),
  slots: z.int().positive().max(256).optional().describe('Requests that a node computes at once.'),
}

export const AddModel = z
  .strictObject({
    name: ModelName,
    source: GivenSource,
    facts: z.strictObject(facts).optional(),
    ...settings,
  })
  .meta({ id: 'AddModel' })
export type AddModel = z.output<typeof AddModel>
export const ChangeModel = z.strictObject(settings).meta({ id: 'ChangeModel' })
export type ChangeModel = z.output<typeof ChangeModel>

/** How far a node is with a model that was placed on it. */
export const HostingStage = z.enum([
  'waiting',
  'downloading',
  'loading',
  'warming',
  'ready',
  'draining',
  'failed',
])
export type HostingStage = z.output<typeof HostingStage>

/** The gateway's order to a node: all the models that it is to serve, and none besides. */
export const WantedModel = z.object({
  model: ModelName,
  /** Names the file in the node's cache: the same for the same source. */
  key: hexOf(20),
  source: CatalogueSource,
  contextTokens: z.int().positive(),
  slots: z.int().positive(),
  facts: ModelFacts.optional(),
})
export type WantedModel = z.output<typeof WantedModel>
export const WANTED_MODELS_MAX = 64

/** A later list has a higher `epoch`, or the same and a higher `version`. */
export const WantedModels = z.object({
  epoch: z.int().nonnegative(),
  version: z.int().nonnegative(),
  models: z.array(WantedModel).max(WANTED_MODELS_MAX),
})
export type WantedModels = z.output<typeof WantedModels>

/** What a node says of one of them. */
export const HostedModel = z.object({
  model: ModelName,
  stage: HostingStage,
  /** Until it serves, as the node reckons; null where it cannot. */
  etaMs: z
    .int()
    .nonnegative()
    .max(2 ** 40)
    .nullable(),
  /** Why it failed, or is slow. */
  problem: z.object({ code: z.string().max(64), message: z.string().max(500) }).optional(),
  facts: ModelFacts.optional(),
})
export type HostedModel = z.output<typeof HostedModel>
export const HostedModels = z.object({ models: z.array(HostedModel).max(WANTED_MODELS_MAX) })
export type HostedModels = z.output<typeof HostedModels>

/** What one gateway sees of the demand for one model of the catalogue. */
export const ModelDemand = z.object({
  model: ModelName,
  /** Since the gateway started: a message that is lost loses nothing. */
  requests: z.int().nonnegative(),
  /** Now. */
  running: z.int().nonnegative(),
  queued: z.int().nonnegative(),
  /** The strictest promise that it was asked for under within the last minutes; absent: none. */
  slaClass: SlaClass.optional(),
})
export type ModelDemand = z.output<typeof ModelDemand>

/** A model of the catalogue as gateways know it. */
export const FollowedModel = z.object({
  model: ModelName,
  price: CataloguePrice.nullable(),
  /** Offers above it are not used; null: there is no bound. */
  priceMax: CataloguePrice.nullable(),
  minClass: NodeClass,
  contextTokens: z.int().positive(),
  /** Another server computes it: its price is what is paid. */
  isUpstream: z.boolean(),
})
export type FollowedModel = z.output<typeof FollowedModel>

/** A model of the catalogue that no node serves now. */
export const ColdModel = z.object({
  model: ModelName,
  /** When a node will; null: none can, and `why` says why. */
  etaMs: z.int().nonnegative().nullable(),
  why: z.string().max(300).nullable(),
})
export type ColdModel = z.output<typeof ColdModel>

const Rate = z.number().nonnegative()
/** A model of the catalogue, and how it stands. */
export const CatalogueModel = z
  .object({
    name: ModelName,
    source: CatalogueSource,
    price: CataloguePrice.nullable(),
    priceMax: CataloguePrice.nullable(),
    replicas: z.object({
      min: Replicas,
      max: Replicas,
      wanted: Replicas.describe('As the demand of the last minutes has it.'),
      ready: z.int().nonnegative(),
      loading: z.int().nonnegative(),
    }),
    minClass: NodeClass,
    contextTokens: z.int().positive(),
    slots: z.int().positive(),
    facts: ModelFacts.nullable().describe('`null` until a node has read its file.'),
    needMib: z.int().nonnegative().nullable().describe('Memory that a node needs for it.'),
    nodes: z.array(
      z.object({
        nodeId: z.string().nullable().describe('`null` for nodes that are not this key’s to see.'),
        name: z.string().nullable(),
        stage: HostingStage,
        etaMs: z.int().nonnegative().nullable(),
        problem: z.string().nullable(),
        tokensPerSecond: Rate.nullable(),
        isPlaced: z.boolean().describe('The network chose it; false where its owner set it up so.'),
      }),
    ),
    demand: z.object({
      requestsPerMinute: Rate,
      running: z.int().nonnegative(),
      queued: z.int().nonnegative(),
      level: Rate.describe('Requests at once, smoothed: what replicas are reckoned from.'),
    }),
    shortage: z
      .string()
      .nullable()
      .describe('Why there are fewer replicas than are wanted; `null` while there are not.'),
    addedAtMs: z.int().nonnegative(),
  })
  .meta({ id: 'CatalogueModel' })
export type CatalogueModel = z.output<typeof CatalogueModel>
export const CatalogueModelPage = z.object(pageOf(CatalogueModel)).meta({ id: 'CatalogueModelPage' })

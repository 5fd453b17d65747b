/**
 * Receipts: what a node delivered, numbered and chained by its gateway, and signed by both. One chain for the requests of a
 * connection and one for its tasks. `receipts/` has how they are written, hashed and checked.
 */
import { z } from 'zod'
import { hexOf } from './field.ts'
import { NanoUsd } from './money.ts'

/** SHA-256 as base64url without padding. */
export const ReceiptDigest = z.string().regex(/^[\w-]{43}$/, 'expected 43 characters of base64url')
/** In hex; whether it is one, the key tells. */
export const ReceiptSignature = z
  .string()
  .regex(/^(?:[0-9a-f]{2}){1,128}$/, 'expected bytes in lower-case hex')
/** Receipts that one head may cover, and one message bring. */
export const RECEIPTS_PER_HEAD_MAX = 256
/** Of a receipt as text. */
export const RECEIPT_LENGTH_MAX = 2_000

const Count = z.int().nonnegative()
const Number1 = z.int().positive()

/** How far a chain goes: the link of its newest receipt. */
export const ChainPosition = z.strictObject({ chain: ReceiptDigest, number: Count, hash: ReceiptDigest })
export type ChainPosition = z.output<typeof ChainPosition>

/** What a chain begins with. Its id is the hash of it, and so is the link that its first receipt is behind. */
export const ChainFacts = z.strictObject({
  of: z.enum(['requests', 'tasks']),
  /** The network's key, and the node's, as raw ed25519 in hex. */
  network: hexOf(32),
  node: z.string().max(64),
  nodeKey: hexOf(32),
  gateway: z.string().max(64),
  /** Of the node's connection. */
  session: z.int(),
  nonce: hexOf(16),
  /** Where the node's chains of before ended, as both had signed it when this one began. */
  previous: ChainPosition.nullable(),
})
export type ChainFacts = z.output<typeof ChainFacts>

const ofRequest = {
  node: z.string().max(64),
  request: z.string().max(100),
  model: z.string().max(300),
  call: z.enum(['chat', 'completion', 'embedding']),
  promptTokens: Count,
  cachedPromptTokens: Count.optional(),
  completionTokens: Count,
  promptPerMillion: NanoUsd,
  cachedPerMillion: NanoUsd.optional(),
  completionPerMillion: NanoUsd,
  /** On the node's connection. */
  stream: Number1,
  /** Of what the node was sent, and of the text that came of it: salted, so that no text can be guessed from it. */
  input: ReceiptDigest,
  output: ReceiptDigest,
  outputBytes: Count,
  /** Whose key pays, as the network alone can tell. */
  payer: z.string().max(64),
  /** By cell time; chains are ordered by numbers and never by this. */
  atMs: z.int(),
}

export const ReceiptBody = z.discriminatedUnion('kind', [
  /** It delivered the answer, or a part of it. */
  z.strictObject({ kind: z.literal('part'), ...ofRequest }),
  /** It read the prompt, and another was faster. */
  z.strictObject({ kind: z.literal('race'), ...ofRequest }),
  /** The result of a task that was taken. */
  z.strictObject({
    kind: z.literal('task'),
    node: z.string().max(64),
    job: z.string().max(100),
    step: Count,
    task: Count,
    fence: Number1,
    /** Of the list of its files with their own hashes. */
    output: ReceiptDigest,
    files: Count,
    outputBytes: Count,
    wallMs: z.number().nonnegative(),
    atMs: z.int(),
  }),
])
export type ReceiptBody = z.output<typeof ReceiptBody>

/** In a meter reading: the receipt of one of its parts. What it lacks stands in the reading. */
export const ReceiptMark = z.object({
  chain: z.string(),
  number: Number1,
  /** The link: of the one before, and of this receipt. */
  hash: z.string(),
  stream: Number1,
  input: z.string(),
  output: z.string(),
  outputBytes: Count,
  payer: z.string(),
  atMs: z.int(),
  /** With the first of its chain. */
  opened: ChainFacts.optional(),
})
export type ReceiptMark = z.output<typeof ReceiptMark>

/** What the node holds against a receipt that it signs all the same. */
export const ReceiptDispute = z.strictObject({
  number: Number1,
  /** `unknown`: it remembers no such work, as after a crash. Else what differs from what it knows. */
  why: z.enum(['unknown', 'prompt_tokens', 'completion_tokens', 'input', 'output', 'task']),
  /** As the node has it, where that is a count. */
  expected: Count.optional(),
})
export type ReceiptDispute = z.output<typeof ReceiptDispute>

/** Both sides stand for all receipts of the chain up to `number`. */
export const SignedHead = z.strictObject({
  ...ChainPosition.shape,
  networkSignature: ReceiptSignature,
  nodeSignature: ReceiptSignature,
  disputes: z.array(ReceiptDispute).max(RECEIPTS_PER_HEAD_MAX),
})
export type SignedHead = z.output<typeof SignedHead>

/** Receipts as texts, in order, from number `from` on. */
const run = {
  chain: ReceiptDigest,
  from: Number1,
  /** The link before the first of them. */
  before: ReceiptDigest,
  receipts: z.array(z.string().max(RECEIPT_LENGTH_MAX)).max(RECEIPTS_PER_HEAD_MAX),
}

/** From the gateway. */
export const ReceiptsOrder = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('offer'),
    ...run,
    /** Null of a chain that another gateway began. */
    facts: ChainFacts.nullable(),
    /** Of which of the node's connections they are, where that is known. */
    session: z.int().optional(),
    /** The link of the last, signed by the network. */
    hash: ReceiptDigest,
    signature: ReceiptSignature,
  }),
  /** The network has all up to this number for good: the node need not keep it. */
  z.object({ kind: z.literal('settled'), chain: ReceiptDigest, number: Count }),
])
export type ReceiptsOrder = z.output<typeof ReceiptsOrder>
export type ReceiptsOffer = Extract<ReceiptsOrder, { kind: 'offer' }>

/** What both signed and the network may have lost. */
export const ReceiptsClaim = z.object({
  kind: z.literal('claim'),
  ...run,
  facts: ChainFacts.nullable(),
  head: SignedHead,
})
export type ReceiptsClaim = z.output<typeof ReceiptsClaim>

/** From the agent. */
export const ReceiptsSay = z.discriminatedUnion('kind', [
  /** First of all on a connection: where its chains ended. */
  z.object({
    kind: z.literal('hello'),
    last: ChainPosition.nullable(),
    /** The network's under `last`, which is not taken without it. */
    signature: ReceiptSignature.optional(),
  }),
  z.object({
    kind: z.literal('signed'),
    chain: ReceiptDigest,
    number: Number1,
    signature: ReceiptSignature,
    disputes: z.array(ReceiptDispute).max(RECEIPTS_PER_HEAD_MAX),
  }),
  /** It does not fit to what the node signed before. */
  z.object({
    kind: z.literal('refused'),
    chain: ReceiptDigest,
    number: Number1,
    why: z.enum(['signature', 'chain', 'receipt']),
  }),
  ReceiptsClaim,
])
export type ReceiptsSay = z.output<typeof ReceiptsSay>

/** A receipt that no meter reading brings. */
export const ExtraReceipt = z.object({
  number: Number1,
  hash: ReceiptDigest,
  text: z.string().max(RECEIPT_LENGTH_MAX),
  /** For whom the work was done, where that is known. */
  organisationId: z.string().optional(),
})
export type ExtraReceipt = z.output<typeof ExtraReceipt>

/** Over the bus, from a gateway. */
export const ReceiptNews = z.object({
  gatewayId: z.string(),
  signed: z.array(
    z.object({
      nodeId: z.string(),
      facts: ChainFacts.nullable(),
      head: SignedHead,
      /** Receipts up to it that no meter reading brings: those of tasks. */
      extra: z.array(ExtraReceipt),
    }),
  ),
  claims: z.array(z.object({ nodeId: z.string(), claim: ReceiptsClaim })),
  /** Receipts that no meter reading brings, in order, as soon as there are any: their nodes may be gone before they sign. */
  made: z
    .array(
      z.object({
        nodeId: z.string(),
        chain: ReceiptDigest,
        /** With the first of its chain. */
        facts: ChainFacts.nullable(),
        receipt: ExtraReceipt,
      }),
    )
    .optional(),
  /** Chains of which it wants to know how far they are settled. */
  asked: z.array(ReceiptDigest),
})
export type ReceiptNews = z.output<typeof ReceiptNews>
export const ReceiptNewsReply = z.object({
  settled: z.array(z.object({ chain: ReceiptDigest, number: Count })),
})
export type ReceiptNewsReply = z.output<typeof ReceiptNewsReply>

/** Over the bus, to the gateway where a node is now: receipts of earlier connections that it has not signed. */
export const ReceiptLeftovers = z.object({
  offers: z.array(z.object({ nodeId: z.string(), session: z.int().optional(), ...run })),
})
export type ReceiptLeftovers = z.output<typeof ReceiptLeftovers>
export const receiptLeftoversTo = (gatewayId: string): string => `gateway.${gatewayId}.receipts`

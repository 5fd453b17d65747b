/**
 * Proofs of hardware, as frames of type `prove` and as messages of the bus. The network asks (`begin`), the node says at
 * once that it heard (`begun`), computes, and commits to all of it by the roots of its rows (`commit`). Only then is drawn
 * which rows it has to show (`open`), and it shows them (`opened`). Rounds are chained: each is made of the root before it.
 */
import { z } from 'zod'
import { hexOf } from './field.ts'

const ChallengeId = z.string().min(1).max(64)
const DeviceId = z.string().min(1).max(200)
/** Rows of one answer, and the widest row. */
export const PROOF_ROWS_MAX = 32
export const PROOF_WIDTH_MAX = 4_096
export const PROOF_ROUNDS_MAX = 16
/** Of one base64 row, and of the hashes beside the way to the root. */
const ROW_TEXT_MAX = Math.ceil(PROOF_WIDTH_MAX / 3) * 4 + 4
const PATH_MAX = 32

/** How much is to be computed: `rounds` products of a `rows` × `width` and a `width` × `width` matrix of 8-bit integers. */
export const ProofSize = z.object({
  rows: z
    .int()
    .min(2)
    .max(2 ** 26)
    .refine((rows) => (rows & (rows - 1)) === 0, 'expected a power of two'),
  width: z.int().min(4).max(PROOF_WIDTH_MAX).multipleOf(4),
  rounds: z.int().min(1).max(PROOF_ROUNDS_MAX),
})
export type ProofSize = z.output<typeof ProofSize>

/** A device that the node can prove. `memoryMib`: 0 for a processor. */
export const ProvableDevice = z.object({
  deviceId: DeviceId,
  kind: z.enum(['cpu', 'cuda', 'opencl']),
  name: z.string().max(200),
  memoryMib: z
    .int()
    .min(0)
    .max(2 ** 40),
})
export type ProvableDevice = z.output<typeof ProvableDevice>

export const ProofBegin = z.object({
  kind: z.literal('begin'),
  challengeId: ChallengeId,
  deviceId: DeviceId,
  seed: hexOf(32),
  size: ProofSize,
})
export type ProofBegin = z.output<typeof ProofBegin>

export const ProofOpen = z.object({
  kind: z.literal('open'),
  challengeId: ChallengeId,
  /** Of the last round. */
  rows: z.array(z.int().nonnegative()).min(1).max(PROOF_ROWS_MAX),
})
export const ProofOver = z.object({ kind: z.literal('over'), challengeId: ChallengeId })

/** From the gateway. */
export const ProofOrder = z.discriminatedUnion('kind', [ProofBegin, ProofOpen, ProofOver])
export type ProofOrder = z.output<typeof ProofOrder>

/** A row of one round, and the hashes beside its way up to that round's root, the lowest first. */
export const OpenedRow = z.object({
  row: z.int().nonnegative(),
  bytes: z.base64().max(ROW_TEXT_MAX),
  path: z.array(hexOf(32)).max(PATH_MAX),
})
export type OpenedRow = z.output<typeof OpenedRow>

export const ProofCommit = z.object({
  kind: z.literal('commit'),
  challengeId: ChallengeId,
  roots: z.array(hexOf(32)).min(1).max(PROOF_ROUNDS_MAX),
})
export const ProofOpened = z.object({
  kind: z.literal('opened'),
  challengeId: ChallengeId,
  /** For each row that was asked for, in that order: it, and the rows that it is made of, the last round first. */
  chains: z.array(z.array(OpenedRow).min(1).max(PROOF_ROUNDS_MAX)).min(1).max(PROOF_ROWS_MAX),
})
export const ProofFailed = z.object({
  kind: z.literal('failed'),
  challengeId: ChallengeId,
  reason: z.enum(['device_unknown', 'memory_short', 'prover_failed', 'busy']),
  message: z.string().max(300),
})

/** From the agent. */
export const ProofSay = z.discriminatedUnion('kind', [
  /** Said once, at the beginning of a connection. */
  z.object({ kind: z.literal('able'), devices: z.array(ProvableDevice).max(64) }),
  z.object({ kind: z.literal('begun'), challengeId: ChallengeId }),
  ProofCommit,
  ProofOpened,
  ProofFailed,
])
export type ProofSay = z.output<typeof ProofSay>

/** Over the bus, to one gateway. */
export const ProofOrders = z.object({
  orders: z.array(z.object({ nodeId: z.string(), session: z.int(), order: ProofOrder })),
})
export type ProofOrders = z.output<typeof ProofOrders>

const ProofWord = z.object({
  nodeId: z.string(),
  session: z.int(),
  say: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('able'), devices: z.array(ProvableDevice).max(64) }),
    /** `elapsedMs`: from `begin` to `commit`, as the gateway measured both; `roundTripMs` of its line, at that time. */
    ProofCommit.extend({ elapsedMs: z.number().nonnegative(), roundTripMs: z.number().nonnegative() }),
    ProofOpened,
    ProofFailed,
    /** Said of what nobody had asked, or not yet. */
    z.object({
      kind: z.literal('refused'),
      challengeId: z.string().max(64),
      reason: z.enum(['challenge_unknown', 'answer_repeated', 'answer_early']),
    }),
  ]),
})
export type ProofWord = z.output<typeof ProofWord>

/** Over the bus, from a gateway: what a node said, how long that took, and how long its line takes. */
export const ProofNews = ProofWord.extend({
  gatewayId: z.string(),
  /** What other nodes said. A coordinator of before takes no notice of it, and says so by not saying `heard`. */
  more: z.array(ProofWord).optional(),
})
export type ProofNews = z.output<typeof ProofNews>

/** The answer: of how many nodes it was heard. Absent: of the first alone. */
export const ProofHeard = z.object({ heard: z.int().optional() })
export type ProofHeard = z.output<typeof ProofHeard>

/** Bus subjects: where the coordinator hears `ProofNews`, and a gateway `ProofOrders`. */
export const proofNewsSubject = 'coordinator.prove'
export const proofOrdersTo = (gatewayId: string): string => `gateway.${gatewayId}.prove`

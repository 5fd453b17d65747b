/** What was found out about nodes' hardware. Versioned, only added to, replayed for ever. */
import { z } from 'zod'

/** What led to a challenge. `owner`: all devices of one owner at the same time. */
export const ProofWhy = z.enum(['enrolment', 'random', 'owner', 'lease', 'retry'])
export type ProofWhy = z.output<typeof ProofWhy>

/** Why an answer is no proof. The first group is a lie; the second may be a busy machine or a bad line. */
export const ProofFault = z.enum([
  'row_wrong',
  'path_wrong',
  'answer_truncated',
  'answer_reordered',
  'too_fast',
  'too_slow',
  'answer_missing',
  'memory_short',
  'prover_failed',
])
export type ProofFault = z.output<typeof ProofFault>

/** Why something that a node said of a proof was not listened to. */
export const AnswerRefusal = z.enum([
  'challenge_unknown',
  'challenge_of_other',
  'answer_repeated',
  'answer_early',
  'answer_late',
])
export type AnswerRefusal = z.output<typeof AnswerRefusal>

export const QuarantineReason = z.enum(['device_shared', 'proof_forged'])
export type QuarantineReason = z.output<typeof QuarantineReason>

const ofDevice = {
  nodeId: z.string(),
  deviceId: z.string(),
  deviceClass: z.string(),
  why: ProofWhy,
}

export const HardwareEvent = z.discriminatedUnion('type', [
  /** Whether nodes have to prove their hardware before they get work. */
  z.object({ type: z.literal('hardware.policy_set'), isRequired: z.boolean(), atMs: z.int() }),
  /** From here on nodes from before the policy have to prove theirs, too. */
  z.object({ type: z.literal('hardware.grace_over'), atMs: z.int() }),
  z.object({
    type: z.literal('hardware.joined'),
    nodeId: z.string(),
    organisationId: z.string(),
    /** `203.0.113.0/24`; `null` where its address is unknown or of a private network. */
    network: z.string().nullable(),
    atMs: z.int(),
  }),
  z.object({ type: z.literal('hardware.joins_forgotten'), beforeMs: z.int() }),
  /** What the node says that it has: all of it. */
  z.object({
    type: z.literal('hardware.devices_claimed'),
    nodeId: z.string(),
    organisationId: z.string(),
    /** That it can prove, with their classes. */
    devices: z.array(z.object({ deviceId: z.string(), deviceClass: z.string() })),
    /** Of its cards, whether it can prove them or not. */
    cardIds: z.array(z.string()),
    atMs: z.int(),
  }),
  z.object({
    type: z.literal('hardware.proven'),
    ...ofDevice,
    /** From the question to the commitment, without the way there and back. */
    computeMs: z.number(),
    /** What its time is held against, where that is not all of its class: cards are asked for more and for less. */
    timesClass: z.string().optional(),
    atMs: z.int(),
  }),
  z.object({
    type: z.literal('hardware.failed'),
    ...ofDevice,
    fault: ProofFault,
    detail: z.string(),
    atMs: z.int(),
  }),
  /** At most one a minute for each node and reason: whoever repeats himself fills no journal. */
  z.object({
    type: z.literal('hardware.answer_refused'),
    nodeId: z.string(),
    reason: AnswerRefusal,
    atMs: z.int(),
  }),
  z.object({
    type: z.literal('hardware.quarantined'),
    nodeId: z.string(),
    organisationId: z.string(),
    reason: QuarantineReason,
    /** The device that two owners claim; `null` where it is not about one. */
    deviceId: z.string().nullable(),
    detail: z.string(),
    atMs: z.int(),
  }),
  /** The way back. `by`: who lifted it; `proof` where the conflict was gone and the node proved itself again. */
  z.object({
    type: z.literal('hardware.released'),
    nodeId: z.string(),
    by: z.enum(['operator', 'proof']),
    atMs: z.int(),
  }),
])
export type HardwareEvent = z.output<typeof HardwareEvent>

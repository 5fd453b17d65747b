/** What was found out about results, and what became of the pay that stands in for them. Versioned, only added to, replayed for ever. */
import { z } from 'zod'
import { NanoUsd } from '#protocol/money.ts'
import { OutputFile } from '#protocol/task.ts'
import { AnswerEvent } from './answer-events.ts'

const ofResult = {
  jobId: z.string(),
  step: z.int().nonnegative(),
  task: z.int().nonnegative(),
  fence: z.int().positive(),
}

/** What a second rendering says of a result. `unreadable`: it was no picture of that size. */
export const OpinionSays = z.enum(['same', 'different', 'unreadable'])
export type OpinionSays = z.output<typeof OpinionSays>

/** `crops`: a few small parts; `frame`: all of it, where crops tell nothing. */
export const AuditBy = z.enum(['crops', 'frame'])
export type AuditBy = z.output<typeof AuditBy>

export const Verdict = z.enum([
  'honest',
  'liar',
  /** One says that it differs, and nobody independent was there to say who is right. */
  'disputed',
  /** Those who looked differ among themselves: the scene does not give the same picture twice. */
  'irreproducible',
  /** Nobody independent was there in time. */
  'nobody',
  /** The result was gone before anybody had looked. */
  'called_off',
])
export type Verdict = z.output<typeof Verdict>

export const PayFreed = z.enum([
  /** Enough came after it. */
  'aged',
  /** Its job left the memory. */
  'expired',
  /** The result was rejected, and its pay goes back to who paid it. */
  'taken_back',
  /** The node was found to lie: it is lost. */
  'forfeited',
])
export type PayFreed = z.output<typeof PayFreed>

/** Of a result that nobody could look at in time: its only doubt. */
export const NOBODY_LOOKED = 'nobody could look'

export const VerifyEvent = z.discriminatedUnion('type', [
  /** Nodes of this organisation are the operator's: they audit, and their word needs no other. */
  z.object({ type: z.literal('verify.reference_named'), organisationId: z.string(), atMs: z.int() }),
  /** Somebody looked at a result without rendering anything, and it was drawn whether it is audited. */
  z.object({
    type: z.literal('verify.looked_at'),
    ...ofResult,
    nodeId: z.string(),
    faults: z.array(z.string()),
    doubts: z.array(z.string()),
    fingerprint: z.string().nullable(),
    /** The chance to be audited, and what was drawn: it is where that is lower. In hundredths of a percent. */
    rateBps: z.int(),
    drawBps: z.int(),
    /** `unseen`: its turn had come, and nobody can tell. */
    outcome: z.enum(['bad', 'audited', 'passed_over', 'unseen']),
    atMs: z.int(),
  }),
  z.object({
    type: z.literal('verify.audit_opened'),
    auditId: z.string(),
    ...ofResult,
    nodeId: z.string(),
    organisationId: z.string(),
    picture: z.string(),
    crops: z.string(),
    /** The organisation that says it is wrong, whose own nodes are not asked; absent where chance or a doubt wants it. */
    askedBy: z.string().optional(),
    atMs: z.int(),
  }),
  z.object({
    type: z.literal('verify.opinion_asked'),
    auditId: z.string(),
    auditJobId: z.string(),
    by: AuditBy,
    atMs: z.int(),
  }),
  z.object({
    type: z.literal('verify.opinion_heard'),
    auditId: z.string(),
    auditJobId: z.string(),
    nodeId: z.string(),
    organisationId: z.string(),
    isReference: z.boolean(),
    says: OpinionSays,
    /** Whether it agrees with the last one of another owner that said different; `null` where there was none. */
    agrees: z.boolean().nullable(),
    detail: z.string(),
    outputs: z.array(OutputFile),
    atMs: z.int(),
  }),
  z.object({ type: z.literal('verify.audit_closed'), auditId: z.string(), verdict: Verdict, atMs: z.int() }),
  /** A task's pay stands in for it: it is on the provider's account, and cannot be paid out. */
  z.object({
    type: z.literal('verify.pay_held'),
    ...ofResult,
    nodeId: z.string(),
    accountId: z.string(),
    /** Whose job it was. */
    organisationId: z.string(),
    amount: NanoUsd,
    isChecked: z.boolean(),
    atMs: z.int(),
  }),
  z.object({
    type: z.literal('verify.pay_freed'),
    ...ofResult,
    nodeId: z.string(),
    why: PayFreed,
    atMs: z.int(),
  }),
  z.object({ type: z.literal('verify.job_forgotten'), jobId: z.string() }),
  AnswerEvent,
])
export type VerifyEvent = z.output<typeof VerifyEvent>

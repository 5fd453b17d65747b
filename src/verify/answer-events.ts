/** What was found out about answers, and what became of their nodes' pay. Versioned, only added to, replayed for ever. */
import { z } from 'zod'
import { AnswerFault, AnswerTest } from '#protocol/answer-audit.ts'
import { NanoUsd } from '#protocol/money.ts'
import { NodeClass } from '#protocol/node-class.ts'
import { SlaClass } from '#protocol/sla.ts'

export const AnswerOutcome = z.enum([
  'passed',
  /** One says that it does not fit, and nobody independent was there to say who is right. */
  'doubted',
  'against',
  /** Nobody independent was there. */
  'unheard',
])
export type AnswerOutcome = z.output<typeof AnswerOutcome>

const Proof = z.object({
  auditId: z.string(),
  model: z.string(),
  evidenceMilli: z.int(),
  evidenceHash: z.string(),
  /** Who paid for it, and how much. */
  organisationId: z.string(),
  cost: NanoUsd,
  /** What it was promised; absent: nothing. */
  slaClass: SlaClass.optional(),
  atMs: z.int(),
})

const Opinion = z.object({
  nodeId: z.string(),
  organisationId: z.string(),
  isReference: z.boolean(),
  tokens: z.int(),
  off: z.int(),
  evidenceMilli: z.int(),
})

/** The chance that its next answer is looked at, where this changes it. In hundredths of a percent. */
const rateBps = z.int().optional()

export const AnswerEvent = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('verify.answers_heard'),
    gatewayId: z.string(),
    start: z.string(),
    sequence: z.int().positive(),
  }),
  z.object({
    type: z.literal('verify.answer_checked'),
    auditId: z.string(),
    nodeId: z.string(),
    model: z.string(),
    test: AnswerTest,
    isCanary: z.boolean(),
    outcome: AnswerOutcome,
    /** What is added to the evidence against the node; it never falls below zero. */
    evidenceMilli: z.int(),
    opinions: z.array(Opinion),
    /** Auditors who said what turned out wrong. */
    wrong: z.array(z.string()),
    evidenceHash: z.string(),
    organisationId: z.string(),
    cost: NanoUsd,
    /** What it was promised; absent: nothing. */
    slaClass: SlaClass.optional(),
    rateBps,
    atMs: z.int(),
  }),
  z.object({
    type: z.literal('verify.answer_faulted'),
    auditId: z.string(),
    nodeId: z.string(),
    model: z.string(),
    fault: AnswerFault,
    found: z.string(),
    expected: z.string(),
    rateBps,
    atMs: z.int(),
  }),
  /** What is held back of its pay is lost; see `penalty` for what else. */
  z.object({
    type: z.literal('verify.node_judged'),
    caseId: z.string(),
    nodeId: z.string(),
    penalty: z.enum(['pay', 'suspended', 'banned']),
    reason: z.string(),
    proofs: z.array(Proof),
    forfeited: NanoUsd,
    /** The class that it loses by it; absent: none. */
    classBefore: NodeClass.optional(),
    /** Until when it gets no work; `null`: until an operator lets it in again. */
    untilMs: z.int().nullable(),
    rateBps,
    atMs: z.int(),
  }),
  z.object({ type: z.literal('verify.suspension_ended'), nodeId: z.string(), atMs: z.int() }),
  /** An operator took a verdict back. */
  z.object({
    type: z.literal('verify.case_lifted'),
    nodeId: z.string(),
    caseId: z.string(),
    reason: z.string(),
    atMs: z.int(),
  }),
  /** Pay of answers stands in for them: it is on the provider's account, and cannot be paid out. */
  z.object({
    type: z.literal('verify.answer_pay_held'),
    nodeId: z.string(),
    accountId: z.string(),
    windowId: z.int().positive(),
    answers: z.int().positive(),
    amount: NanoUsd,
    atMs: z.int(),
  }),
  z.object({
    type: z.literal('verify.answer_pay_freed'),
    nodeId: z.string(),
    windowId: z.int().positive(),
    amount: NanoUsd,
    why: z.enum(['aged', 'expired', 'forfeited']),
    atMs: z.int(),
  }),
])
export type AnswerEvent = z.output<typeof AnswerEvent>

const types = new Set<string>(AnswerEvent.options.map(({ shape }) => shape.type.value))
export const isAnswerEvent = (event: { readonly type: string }): event is AnswerEvent => types.has(event.type)

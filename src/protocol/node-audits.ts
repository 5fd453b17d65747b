/** What audits found out about a node, for its owner: counts, verdicts with their evidence, and the way back. */
import { z } from 'zod'
import { Id, Line, TimestampMs } from './field.ts'
import { NanoUsd } from './money.ts'
import { NodeClass } from './node-class.ts'
import type { Routes } from './route.ts'

const Count = z.int().nonnegative()

export const AnswerCaseProof = z
  .object({
    auditId: z.string().describe('The request, the node, and where its part of the answer began.'),
    model: z.string(),
    evidence: z
      .number()
      .describe('For another model than the one named: the logarithm of a likelihood ratio.'),
    evidenceHash: z
      .string()
      .describe('SHA-256 of the answer’s token ids, or of its vectors, and of what each side said of them.'),
    atMs: TimestampMs,
  })
  .meta({ id: 'AnswerCaseProof' })

export const AnswerCase = z
  .object({
    caseId: z.string(),
    atMs: TimestampMs,
    penalty: z.enum(['pay', 'suspended', 'banned']),
    reason: z.string(),
    proofs: z.array(AnswerCaseProof),
    forfeited: NanoUsd.describe('Of pay that was held back.'),
    untilMs: TimestampMs.nullable().describe('Until when it got no work; `null` for a ban.'),
    liftedAtMs: TimestampMs.nullable().describe('When an operator took it back: it counts no more.'),
    liftedReason: z.string().optional().describe('Why, as the operator gave it.'),
    classBefore: NodeClass.optional().describe('It lost this class by the verdict; a lift gives it back.'),
  })
  .meta({ id: 'AnswerCase' })
export type AnswerCase = z.output<typeof AnswerCase>

export const NodeAudits = z
  .object({
    nodeId: Id,
    auditPercent: z.number().describe('Of its answers that are looked at from now on.'),
    passes: Count.describe('In a row.'),
    passed: Count,
    doubted: Count.describe('Where nobody else was there to say who is right.'),
    unheard: Count.describe('Nobody independent was there.'),
    tokens: Count.describe('That were looked at, and embedded texts.'),
    evidence: z.number().describe('Against it now; from `evidenceMax` on it is judged.'),
    evidenceMax: z.number(),
    faults: z.record(z.string(), Count).describe('What everybody could see of its answers, by kind.'),
    results: z
      .object({
        passed: Count,
        failed: Count,
        faults: Count,
        disputed: Count,
        wrong: Count,
        unverified: Count,
      })
      .describe('Of everything that was looked at, tasks included; `wrong`: what it said as an auditor.'),
    heldBack: NanoUsd.describe('Pay of answers that cannot be paid out yet.'),
    suspendedUntilMs: TimestampMs.nullable(),
    cases: z.array(AnswerCase).describe('Newest last.'),
    wayBack: z.string(),
  })
  .meta({ id: 'NodeAudits' })
export type NodeAudits = z.output<typeof NodeAudits>

const NodeParams = z.strictObject({ nodeId: Id })

export const nodeAuditRoutes = {
  getNodeAudits: {
    method: 'GET',
    path: '/api/nodes/:nodeId/audits',
    scope: 'viewer',
    summary: 'Reads what audits found out about a node, why it was judged, and the way back.',
    params: NodeParams,
    reply: NodeAudits,
  },
  liftNodeCases: {
    method: 'POST',
    path: '/api/nodes/:nodeId/audits/lift',
    scope: 'operator',
    summary:
      'Takes verdicts on a node’s answers back: it works again, and they count no more. Lost pay stays lost.',
    params: NodeParams,
    body: z.strictObject({ reason: Line.min(1) }).meta({ id: 'LiftNodeCases' }),
    example: { reason: 'The reference node had another file of the model.' },
    reply: NodeAudits,
  },
} as const satisfies Routes

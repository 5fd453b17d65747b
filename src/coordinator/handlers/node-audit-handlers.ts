import type { NodeAudits } from '#protocol/node-audits.ts'
import type { Caller, Handlers } from '#protocol/route.ts'
import type { ControlRoutes } from '#protocol/routes.ts'
import { answerRateBps, EVIDENCE_MAX } from '#verify/answer-rules.ts'
import { type AnswerRecord, answerRecordOf, heldOf } from '#verify/answers.ts'
import { recordOf } from '#verify/verify.ts'
import { liftCases } from '../answers/lift-cases.ts'
import { isOperators } from '../answers/operator.ts'
import type { CoordinatorState } from '../coordinator-state.ts'
import { act } from './act.ts'
import { execute, type HandlerParts, maySee, notFound } from './handler-parts.ts'

export function nodeAuditHandlers(
  parts: HandlerParts,
): Pick<Handlers<ControlRoutes>, 'getNodeAudits' | 'liftNodeCases'> {
  const { state } = parts.coordinator
  function ownerOf(nodeId: string, caller: Caller): string {
    const node = state.fleet.nodes.get(nodeId)
    if (!node || !maySee(caller, node.organisationId)) throw notFound('node', nodeId)
    return node.organisationId
  }
  return {
    getNodeAudits: ({ params: { nodeId } }, caller) =>
      execute(parts, () => {
        ownerOf(nodeId, caller)
        return viewOf(state, nodeId)
      }),
    liftNodeCases: ({ params: { nodeId }, body: { reason } }, caller, context) =>
      act(parts, { caller, context }, { objectId: nodeId, details: { reason } }, (turn, doing) => {
        doing.organisationId = ownerOf(nodeId, caller)
        liftCases(turn, nodeId, reason)
        return viewOf(turn.state, nodeId)
      }),
  }
}

const MILLI = 1_000

function viewOf(state: CoordinatorState, nodeId: string): NodeAudits {
  const { verify, fleet } = state
  const record = answerRecordOf(verify.answers, nodeId)
  const { passed, failed, faults, disputed, wrong, unverified } = recordOf(verify, nodeId)
  const node = fleet.nodes.get(nodeId)
  const isAudited = node !== undefined && !isOperators(state, node.organisationId)
  return {
    nodeId,
    auditPercent: isAudited ? answerRateBps(record, node.nodeClass) / 100 : 0,
    passes: record.passes,
    passed: record.passed,
    doubted: record.doubted,
    unheard: record.unheard,
    tokens: record.tokens,
    evidence: record.evidenceMilli / MILLI,
    evidenceMax: EVIDENCE_MAX / MILLI,
    faults: { ...record.faults },
    results: { passed, failed, faults, disputed, wrong, unverified },
    heldBack: heldOf(verify.answers, nodeId),
    suspendedUntilMs: record.suspendedUntilMs,
    cases: record.cases.map((one) => ({
      ...one,
      proofs: one.proofs.map(({ auditId, model, evidenceMilli, evidenceHash, atMs }) => ({
        ...{ auditId, model, evidenceHash, atMs },
        evidence: evidenceMilli / MILLI,
      })),
    })),
    wayBack: wayBackOf(record, node?.bannedReason ?? null),
  }
}

function wayBackOf({ cases, suspendedUntilMs, passes }: AnswerRecord, bannedReason: string | null): string {
  const open = cases.filter(({ liftedAtMs }) => liftedAtMs === null).length
  if (bannedReason !== null)
    return 'An operator lets it in again: send them the case, its evidence hashes and what you changed.'
  if (suspendedUntilMs !== null)
    return 'It works again when the suspension is over. Check that it serves the very file of the model that it names, and its hardware. An operator may take the verdict back.'
  if (open > 0)
    return `All its answers are looked at until 10 in a row fit: ${Math.min(passes, 10)} did. Verdicts count for 180 days.`
  return 'Nothing stands against it.'
}

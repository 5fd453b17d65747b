import { assert } from '#kernel/assert.ts'
import { answerRecordOf } from '#verify/answers.ts'
import type { Turn } from '../turn.ts'
import { answersIn } from './answer-pay.ts'

/** An operator takes all verdicts on the node's answers back; a ban or the loss of a class that one of them brought, too. */
export function liftCases(turn: Turn, nodeId: string, reason: string): void {
  const { nowMs, state } = turn
  const banned = state.fleet.nodes.get(nodeId)?.bannedReason ?? null
  for (const verdict of answerRecordOf(state.verify.answers, nodeId).cases) {
    if (verdict.liftedAtMs !== null) continue
    const refusal =
      answersIn(turn, { kind: 'lift_case', nodeId, caseId: verdict.caseId, reason, nowMs }) ??
      (verdict.reason === banned ? turn.fleet({ kind: 'unban', nodeId, nowMs }) : null)
    assert(refusal === null, `a verdict that stands can be lifted, and not ${refusal}`)
    if (verdict.classBefore !== undefined)
      turn.fleet({ kind: 'class', nodeId, nodeClass: verdict.classBefore, nowMs })
  }
}

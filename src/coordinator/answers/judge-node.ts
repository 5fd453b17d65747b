import { assert } from '#kernel/assert.ts'
import { answerRecordOf } from '#verify/answers.ts'
import type { Turn } from '../turn.ts'
import { classOf } from '../work/holdback.ts'
import { answersIn, forfeitAnswerPay } from './answer-pay.ts'

/**
 * Enough speaks against the node: its held pay is lost. The first time it gets no work for an hour, the second time for a
 * week and is of the community from then on, the third time it is banned.
 */
export function judgeNode(turn: Turn, nodeId: string): void {
  const { nowMs, state } = turn
  const refusal = answersIn(turn, { kind: 'judge_node', nodeId, nodeClass: classOf(turn, nodeId), nowMs })
  assert(refusal === null, `a node that enough speaks against is judged, and not ${refusal}`)
  const verdict = answerRecordOf(state.verify.answers, nodeId).cases.at(-1)
  assert(verdict, 'a verdict leaves a case')
  forfeitAnswerPay(turn, { ...verdict, nodeId })
  if (verdict.penalty === 'suspended') turn.fleet({ kind: 'class', nodeId, nodeClass: 'community', nowMs })
  if (verdict.penalty === 'banned') turn.fleet({ kind: 'ban', nodeId, reason: verdict.reason, nowMs })
}

/** Lets nodes work again whose time is over. Only those are looked at that are suspended. */
export function endSuspensions(turn: Turn): void {
  for (const [nodeId, { suspendedUntilMs }] of turn.state.verify.answers.nodes)
    if (suspendedUntilMs !== null && turn.nowMs >= suspendedUntilMs)
      answersIn(turn, { kind: 'end_suspension', nodeId, nowMs: turn.nowMs })
}

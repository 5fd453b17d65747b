/** Answers that were looked at, a verdict on their node and its end, in the golden history. */
import { answersIn, forfeitAnswerPay, holdAnswerPay } from '#coordinator/answers/answer-pay.ts'
import { endSuspensions } from '#coordinator/answers/judge-node.ts'
import { liftCases } from '#coordinator/answers/lift-cases.ts'
import type { Turn } from '#coordinator/turn.ts'
import { assert } from '#kernel/assert.ts'
import { providerAccount } from '#ledger/ledger.ts'
import type { AnswerCheck } from '#protocol/answer-audit.ts'
import { answerRecordOf } from '#verify/answers.ts'

const nodeId = 'node_1'
const of = { organisationId: 'org_seller', nodeClass: 'community' } as const
const done = (refusal: string | null): void => assert(refusal === null, `the golden history: ${refusal}`)

export function auditAnswers(turn: Turn, nowMs: number): void {
  const accountId = providerAccount(of.organisationId)
  holdAnswerPay(turn, { nodeId, accountId, answers: 3, amount: 30n })
  done(answersIn(turn, { kind: 'hear_report', gatewayId: 'gateway_1', start: 's', sequence: 1 }))
  for (const auditId of ['req_7:node_1:0', 'req_8:node_1:0']) {
    const check: AnswerCheck = {
      ...{ kind: 'check', test: 'claimed', auditId, nodeId, model: 'guide', organisationId: 'org_buyer' },
      ...{ cost: 4n, isCanary: false, evidenceHash: 'e5'.repeat(32), opinions: [] },
    }
    const told = { tokens: 90, off: 40, evidenceMilli: 22_000, readTokens: 120, pay: 2n, isReference: false }
    const opinions = ['node_2', 'node_3'].map((by) => ({
      ...told,
      nodeId: by,
      organisationId: `org_of_${by}`,
    }))
    done(answersIn(turn, { kind: 'check_answer', check, of, opinions, nowMs }))
  }
  const seen = { kind: 'finding', auditId: 'req_9:node_1', nodeId, model: 'guide' } as const
  const fault = { fault: 'too_fast', found: '900 tokens/s', expected: 'at most 280 tokens/s' } as const
  done(answersIn(turn, { kind: 'fault_answer', finding: { ...seen, ...fault }, of, nowMs }))
  done(answersIn(turn, { kind: 'judge_node', nodeId, nodeClass: 'community', nowMs }))
  const verdict = answerRecordOf(turn.state.verify.answers, nodeId).cases.at(-1)
  assert(verdict, 'a verdict leaves a case')
  forfeitAnswerPay(turn, { ...verdict, nodeId })
}

/** Well after the suspension. */
export function forgiveAnswers(turn: Turn): void {
  endSuspensions(turn)
  liftCases(turn, nodeId, 'The reference node had another file.')
}

import { assert, unreachable } from '#kernel/assert.ts'
import { minimum } from '#kernel/money.ts'
import { NETWORK_FEES, providerAccount } from '#ledger/ledger.ts'
import type { AnswerCheck, AnswerNews, AnswerReport } from '#protocol/answer-audit.ts'
import { answerRecordOf, newestReport } from '#verify/answers.ts'
import { isToBeJudged, type ToldOpinion } from '#verify/decide-answers.ts'
import type { Turn } from '../turn.ts'
import { answersIn, freeAgedAnswers } from './answer-pay.ts'
import { judgeNode } from './judge-node.ts'
import { isOperators } from './operator.ts'

/** Takes what a gateway found out about answers, each report once: what follows for the node, its pay and its auditors. */
export function hearAnswers(turn: Turn, report: AnswerReport): { sequence: number } {
  const { gatewayId, start, sequence, news } = report
  const repeated = answersIn(turn, { kind: 'hear_report', gatewayId, start, sequence })
  if (repeated === null) for (const item of news) hear(turn, item)
  return { sequence: newestReport(turn.state.verify.answers, gatewayId, start) }
}

function hear(turn: Turn, item: AnswerNews): void {
  const { nodeId } = item
  const node = turn.state.fleet.nodes.get(nodeId)
  if (!node) return
  const { nowMs } = turn
  const of = { organisationId: node.organisationId, nodeClass: node.nodeClass }
  switch (item.kind) {
    case 'check': {
      const opinions = item.opinions.flatMap((opinion) => withOwner(turn, opinion))
      const refusal = answersIn(turn, { kind: 'check_answer', check: item, of, opinions, nowMs })
      assert(refusal === null, `an answer that was looked at can be noted, and not ${refusal}`)
      payAuditors(turn, item)
      break
    }
    case 'finding': {
      const refusal = answersIn(turn, { kind: 'fault_answer', finding: item, of, nowMs })
      assert(refusal === null, `what was seen of an answer can be noted, and not ${refusal}`)
      break
    }
    default:
      unreachable(item)
  }
  if (isToBeJudged(answerRecordOf(turn.state.verify.answers, nodeId))) judgeNode(turn, nodeId)
  else freeAgedAnswers(turn, nodeId)
}

/** What a node says that was never enrolled counts for nothing. */
function withOwner({ state }: Turn, opinion: AnswerCheck['opinions'][number]): ToldOpinion[] {
  const owner = state.fleet.nodes.get(opinion.nodeId)?.organisationId
  return owner === undefined
    ? []
    : [{ ...opinion, organisationId: owner, isReference: isOperators(state, owner) }]
}

/** Out of the network's fees, and never more for an opinion than the answer cost, nor more than there is. */
function payAuditors(turn: Turn, { auditId, cost, opinions }: AnswerCheck): void {
  const { state, nowMs } = turn
  for (const [index, { nodeId, pay }] of opinions.entries()) {
    const node = state.fleet.nodes.get(nodeId)
    const available = state.ledger.accounts.get(NETWORK_FEES)?.available ?? 0n
    const amount = minimum(minimum(pay, cost), available)
    if (!node || amount <= 0n || isOperators(state, node.organisationId)) continue
    const refusal = turn.ledger({
      kind: 'capture',
      transferId: `audit:${auditId}:${index}`,
      accountId: NETWORK_FEES,
      holdId: '',
      payouts: [{ accountId: providerAccount(node.organisationId), amount }],
      memo: 'an answer of another node looked at',
      nowMs,
    })
    assert(refusal === null, `an audit that was done is paid, and not ${refusal}`)
  }
}

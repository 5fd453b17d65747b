/** What nodes at fault pay of a credit: out of pay that is held back, and never more than their part of the failures. */
import { assert } from '#kernel/assert.ts'
import type { NanoUsd } from '#kernel/money.ts'
import { consumerAccount } from '#ledger/ledger.ts'
import type { FaultShare } from '#protocol/sla-statement.ts'
import type { MonthCount } from '#sla/sla.ts'
import { answersIn } from '../answers/answer-pay.ts'
import { answerPayId } from '../answers/check-answer-pay.ts'
import type { Turn } from '../turn.ts'

interface CreditDue {
  readonly count: MonthCount
  readonly credit: NanoUsd
  readonly transferId: string
}

/**
 * By nodes in order of their ids. Only whole windows of held pay that fit into the share are taken: what stands in for
 * answers that nobody looked at yet is not let go for this.
 */
export function takeShares(turn: Turn, { count, credit, transferId }: CreditDue): FaultShare[] {
  const shares: FaultShare[] = []
  if (credit <= 0n) return shares
  for (const [nodeId, errors] of [...count.faults].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const owed = (credit * BigInt(errors)) / BigInt(count.errors)
    const byAccount = freeUpTo(turn, nodeId, owed)
    for (const [accountId, amount] of byAccount) {
      const refusal = turn.ledger({
        kind: 'capture',
        transferId: `${transferId}:${nodeId}:${accountId}`,
        accountId,
        holdId: '',
        payouts: [{ accountId: consumerAccount(count.organisationId), amount }],
        memo: `share of an SLA credit · ${count.slaClass} · ${count.month} · ${nodeId}`,
        isRefund: true,
        nowMs: turn.nowMs,
      })
      assert(refusal === null, `what was freed just now can be taken, and not ${refusal}`)
    }
    const amount = [...byAccount.values()].reduce((sum, one) => sum + one, 0n)
    if (amount > 0n) shares.push({ nodeId, errors, amount })
  }
  return shares
}

function freeUpTo(turn: Turn, nodeId: string, owed: NanoUsd): Map<string, NanoUsd> {
  const byAccount = new Map<string, NanoUsd>()
  let left = owed
  for (const { windowId, accountId, amount } of [...(turn.state.verify.answers.pay.get(nodeId) ?? [])]) {
    if (amount > left) continue
    const refusal =
      answersIn(turn, { kind: 'free_answer_pay', nodeId, windowId, why: 'forfeited', nowMs: turn.nowMs }) ??
      turn.ledger({ kind: 'release_holdback', holdbackId: answerPayId(nodeId, windowId) })
    // What somebody released by hand, in journals of before, stands in for nothing any more.
    if (refusal === 'hold_unknown') continue
    assert(refusal === null, `pay that is held back can be freed, and not ${refusal}`)
    left -= amount
    byAccount.set(accountId, (byAccount.get(accountId) ?? 0n) + amount)
  }
  return byAccount
}

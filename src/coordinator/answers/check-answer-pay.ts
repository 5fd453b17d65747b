import { assert } from '#kernel/assert.ts'
import type { Ledger } from '#ledger/ledger.ts'
import { holdbackHold, isHoldback } from '#ledger/payouts.ts'
import type { Verify } from '#verify/verify.ts'

const PREFIX = 'answers:'

/** What a window of a node's pay is called in the ledger. */
export const answerPayId = (nodeId: string, windowId: number): string => `${PREFIX}${nodeId}:${windowId}`

/** Throws unless the pay that stands in for answers is what the ledger holds back for them, to the last window. */
export function checkAnswerPay({
  verify,
  ledger,
}: {
  readonly verify: Verify
  readonly ledger: Ledger
}): void {
  let count = 0
  for (const [nodeId, windows] of verify.answers.pay) {
    for (const { windowId, accountId, amount } of windows) {
      count++
      const hold = ledger.holds.get(holdbackHold(answerPayId(nodeId, windowId)))
      assert(
        hold && isHoldback(hold) && hold.accountId === accountId && hold.left === amount,
        `window ${windowId} of the pay of ${nodeId} is held back, all of it`,
      )
    }
  }
  for (const hold of ledger.holds.values())
    if (isHoldback(hold) && hold.id.startsWith(holdbackHold(PREFIX))) count--
  assert(count === 0, 'pay is held back for answers that nobody knows of')
}

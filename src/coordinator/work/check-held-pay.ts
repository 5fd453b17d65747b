import { assert } from '#kernel/assert.ts'
import type { Ledger } from '#ledger/ledger.ts'
import { holdbackHold, isHoldback } from '#ledger/payouts.ts'
import { keyOf, type Verify } from '#verify/verify.ts'

/** What a holdback of a task's pay is called in the ledger. */
export const payHoldId = (place: Parameters<typeof keyOf>[0]): string => `${TASK_PREFIX}${keyOf(place)}`
const TASK_PREFIX = 'task:'

/** Throws unless the pay that stands in for results is what the ledger holds back for tasks, to the last one. */
export function checkHeldPay({ verify, ledger }: { readonly verify: Verify; readonly ledger: Ledger }): void {
  let count = 0
  for (const list of verify.held.values()) {
    for (const pay of list.values()) {
      count++
      const hold = ledger.holds.get(holdbackHold(payHoldId(pay)))
      assert(
        hold && isHoldback(hold) && hold.accountId === pay.accountId && hold.left === pay.amount,
        `the pay of ${keyOf(pay)} is held back, all of it`,
      )
    }
  }
  for (const hold of ledger.holds.values())
    if (isHoldback(hold) && hold.id.startsWith(holdbackHold(TASK_PREFIX))) count--
  assert(count === 0, 'pay is held back for a task that nobody knows of')
}

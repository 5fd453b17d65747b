/** Which pay no longer has to stand in for anything. */
import type { NodeClass } from '#protocol/node-class.ts'
import { FIRST_CHECKED, holdbackTasks } from './audit-rate.ts'
import { type HeldPay, recordOf, type Verify } from './verify.ts'

/**
 * What may be freed of the node's pay: all but the last `holdbackTasks`, once it passed its first checks, and of that what was
 * earned before it last passed one.
 */
export function agedPay(verify: Verify, nodeId: string, nodeClass: NodeClass): readonly HeldPay[] {
  const held = verify.held.get(nodeId)
  const { passes, passedAtMs } = recordOf(verify, nodeId)
  if (!held || passes < FIRST_CHECKED) return []
  const aged: HeldPay[] = []
  let left = held.size - holdbackTasks(nodeClass)
  for (const pay of held.values()) {
    // Those behind it were earned later still.
    if (left-- <= 0 || pay.atMs >= passedAtMs) break
    aged.push(pay)
  }
  return aged
}

import type { NanoUsd } from '#kernel/money.ts'
import { maximum } from '#kernel/money.ts'
import type { TimestampMs } from '#kernel/time.ts'
import { withoutUnreached } from './budget-alerts.ts'
import { useAt } from './key-use.ts'
import type { Organisations } from './organisations.ts'

/**
 * Counts what `keyId` was charged at `atMs` for no request, as for a task of a job; less than nothing where it came back. What
 * comes back lowers the windows that run then, though never below nothing, and arms again what they no longer reach. A key
 * that is not known any more has nothing to be counted for.
 */
export function countSpend(
  { keys, use, told }: Organisations,
  { keyId, amount, atMs }: { readonly keyId: string; readonly amount: NanoUsd; readonly atMs: TimestampMs },
): void {
  const key = keys.get(keyId)
  if (!key || amount === 0n) return
  const { budgetId } = key
  const before = useAt(use.get(budgetId), atMs)
  const after = {
    ...before,
    spend: maximum(before.spend + amount, 0n),
    monthSpend: maximum(before.monthSpend + amount, 0n),
  }
  use.set(budgetId, after)
  const known = told.get(budgetId)
  if (known && amount < 0n) told.set(budgetId, withoutUnreached(known, after))
}

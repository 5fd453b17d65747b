/** What must hold of keys, limits and the audit log at the end of a run, by the journal alone. */

import { formatAuditLine, verifyAudit } from '#audit/verify-audit.ts'
import type { CoordinatorEvent } from '#coordinator/coordinator-events.ts'
import type { CoordinatorState } from '#coordinator/coordinator-state.ts'
import { assert } from '#kernel/assert.ts'
import { sha256Hex } from './sim-host.ts'
import type { SimPlan } from './sim-plan.ts'

/** Every act is in its organisation's chain, and each chain ends where the coordinator says. */
export function checkAuditLog(events: readonly CoordinatorEvent[], state: CoordinatorState): void {
  const lines = events.flatMap((event) =>
    event.type === 'audit.recorded' ? [formatAuditLine(event.entry)] : [],
  )
  const ends = [...state.audit.heads].map(([organisationId, head]) =>
    formatAuditLine({ end: { organisationId, ...head } }),
  )
  // Where nobody acted there is no chain: not even one that ends.
  if (lines.length === 0 && ends.length === 0) return
  const { faults } = verifyAudit([...lines, ...ends].join('\n'), sha256Hex, state.audit.heads)
  assert(faults.length === 0, `the audit log is not whole: ${faults[0]?.message}`)
}

/** With one gateway no key has used more than its limit, whatever crashed. */
export function checkKeyLimits({ organisations }: CoordinatorState, { gateways }: SimPlan): void {
  if (gateways > 1) return
  for (const { budgetId, limits, id } of organisations.keys.values()) {
    const used = organisations.use.get(budgetId)?.tokens ?? 0
    const { tokensPerDay = Number.POSITIVE_INFINITY } = limits
    assert(used <= tokensPerDay, `${id} has used ${used} tokens of ${tokensPerDay}`)
  }
}

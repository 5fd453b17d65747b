import type { NodeFailure, UsagePart, UsageRecord } from '#protocol/usage.ts'
import type { RunRequest } from './run-request.ts'

/** The meter reading of a request that is over. */
export const recordOf = (
  { requestId, organisationId, keyId, engine, budget }: RunRequest,
  told: Pick<UsageRecord, 'holdId' | 'outcome' | 'parts' | 'startedAtMs' | 'firstTokenMs' | 'totalMs'> & {
    losers: UsagePart[]
    failed: readonly NodeFailure[]
  },
): UsageRecord => ({
  requestId,
  organisationId,
  keyId,
  ...(budget && { budgetId: budget.budgetId }),
  holdId: told.holdId,
  model: engine.model,
  kind: engine.kind,
  outcome: told.outcome,
  parts: told.parts,
  ...(told.losers.length > 0 && { losers: told.losers }),
  ...(told.failed.length > 0 && { failed: [...told.failed] }),
  startedAtMs: told.startedAtMs,
  firstTokenMs: told.firstTokenMs === null ? null : Math.round(told.firstTokenMs),
  totalMs: Math.round(told.totalMs),
})

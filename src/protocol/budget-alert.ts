import { z } from 'zod'
import { Id, TimestampMs } from './field.ts'
import { NanoUsd } from './money.ts'
import { freshness, pageOf } from './page.ts'

const alertMembers = {
  keyId: Id.describe('The key that spent last; rotated ones share a budget.'),
  window: z.enum(['day', 'month']),
  sharePercent: z.int().describe('50, 80 or 100 percent of the limit.'),
  spent: NanoUsd.describe('In the whole window, as the ledger counted it then.'),
  limit: NanoUsd,
  atMs: TimestampMs,
}
export const KeyAlert = z.object(alertMembers).meta({
  id: 'KeyAlert',
  description: 'What was spent has come to a share of a key’s limit: told once for each share and window.',
})
export type KeyAlert = z.output<typeof KeyAlert>

export const BudgetAlert = z
  .object({
    alertId: Id.describe('The same in the list and at the webhook, however often that is told.'),
    organisationId: Id,
    budgetId: Id.describe('The first key of the line of rotations that shares the limits.'),
    ...alertMembers,
  })
  .meta({ id: 'BudgetAlert', description: 'What a key has spent has come to a share of its limit.' })
export type BudgetAlert = z.output<typeof BudgetAlert>

export const AlertPage = z
  .object({ ...pageOf(BudgetAlert), ...freshness })
  .meta({ id: 'AlertPage', description: 'Alerts, newest first.' })
export type AlertPage = z.output<typeof AlertPage>

/** The SQL of the queries, and the API's objects from their rows. */
import { type CompiledQuery, sql } from 'kysely'
import { StatementKind, type StatementLine } from '#protocol/account.ts'
import type { AuditEntry } from '#protocol/audit.ts'
import { type BudgetAlert, KeyAlert } from '#protocol/budget-alert.ts'
import { type Payout, PayoutState } from '#protocol/payout.ts'
import { UsageRecord } from '#protocol/usage.ts'
import type { UsageDay, UsageLine, UsageTotals } from '#protocol/usage-page.ts'
import { alertIdOf } from '../alert-id.ts'
import { parseChainCursor, parseDayCursor, parseLineCursor } from './cursor.ts'
import type { AlertFilter, AuditFilter, PageRequest, PayoutFilter, UsageFilter } from './queries.ts'
import { db } from './query-builder.ts'
import type {
  AlertsTable,
  AuditEntriesTable,
  PayoutsTable,
  StatementLinesTable,
  UsageDaysTable,
  UsageLinesTable,
} from './schema.ts'

export const positionQuery = db.selectFrom('position').select('sequence').compile()

/** Pages have one row too many: it tells whether there is another page. */
export function statementQuery(
  accountId: string,
  { limit, before }: PageRequest,
): CompiledQuery<StatementLinesTable> {
  const query = db
    .selectFrom('statement_lines')
    .selectAll()
    .where('account_id', '=', accountId)
    .orderBy('sequence', 'desc')
    .orderBy('line', 'desc')
    .limit(limit + 1)
  if (before === null) return query.compile()
  const { sequence, line } = parseLineCursor(before)
  return query
    .where(({ eb, refTuple, tuple }) => eb(refTuple('sequence', 'line'), '<', tuple(sequence, line)))
    .compile()
}

export function usageQuery(
  { organisationId, projectId, model }: UsageFilter,
  { limit, before }: PageRequest,
): CompiledQuery<UsageLinesTable> {
  let query = db
    .selectFrom('usage_lines')
    .selectAll()
    .orderBy('sequence', 'desc')
    .orderBy('line', 'desc')
    .limit(limit + 1)
  if (organisationId !== null) query = query.where('organisation_id', '=', organisationId)
  if (projectId !== null && projectId !== undefined) query = query.where('project_id', '=', projectId)
  if (model !== null) query = query.where('model', '=', model)
  if (before === null) return query.compile()
  const { sequence, line } = parseLineCursor(before)
  return query
    .where(({ eb, refTuple, tuple }) => eb(refTuple('sequence', 'line'), '<', tuple(sequence, line)))
    .compile()
}

type Sums = Omit<UsageDaysTable, 'organisation_id' | 'project_id' | 'day' | 'model'>
type DayRow = Sums & { day: string; model: string; model_md5: string }

const sumOf = <Column extends keyof Sums>(column: Column) =>
  sql<bigint>`coalesce(sum(${sql.ref(column)}), 0)`.as(column)
const sums = [
  sumOf('requests'),
  sumOf('prompt_tokens'),
  sumOf('cached_prompt_tokens'),
  sumOf('completion_tokens'),
  sumOf('cost'),
  sumOf('fee'),
] as const

export function totalsQuery({ organisationId, projectId, model }: UsageFilter): CompiledQuery<Sums> {
  let query = db.selectFrom('usage_days').select(sums)
  if (organisationId !== null) query = query.where('organisation_id', '=', organisationId)
  if (projectId !== null && projectId !== undefined) query = query.where('project_id', '=', projectId)
  if (model !== null) query = query.where('model', '=', model)
  return query.compile()
}

export function summaryQuery(
  { organisationId, projectId, model }: UsageFilter,
  { limit, before }: PageRequest,
): CompiledQuery<DayRow> {
  let query = db
    .selectFrom('usage_days')
    .select(['day', 'model', sql<string>`md5(model)`.as('model_md5')])
    .select(sums)
    .groupBy(['day', 'model'])
    .orderBy('day', 'desc')
    .orderBy('model')
    .limit(limit + 1)
  if (organisationId !== null) query = query.where('organisation_id', '=', organisationId)
  if (projectId !== null && projectId !== undefined) query = query.where('project_id', '=', projectId)
  if (model !== null) query = query.where('model', '=', model)
  if (before === null) return query.compile()
  const { day, model_md5 } = parseDayCursor(before)
  const lastModel = db
    .selectFrom('usage_days')
    .select(({ fn }) => fn.max('model').as('model'))
    .where('day', '=', day)
    .where(sql`md5(model)`, '=', model_md5)
  return query
    .where(({ eb, or, and }) =>
      or([eb('day', '<', day), and([eb('day', '=', day), eb('model', '>', lastModel)])]),
    )
    .compile()
}

export function auditQuery(
  { organisationId, act }: AuditFilter,
  { limit, before }: PageRequest,
): CompiledQuery<AuditEntriesTable> {
  let query = db
    .selectFrom('audit_entries')
    .selectAll()
    .orderBy('sequence', 'desc')
    .orderBy('line', 'desc')
    .limit(limit + 1)
  if (organisationId !== null) query = query.where('organisation_id', '=', organisationId)
  if (act !== null) query = query.where('act', '=', act)
  if (before === null) return query.compile()
  const { sequence, line } = parseLineCursor(before)
  return query
    .where(({ eb, refTuple, tuple }) => eb(refTuple('sequence', 'line'), '<', tuple(sequence, line)))
    .compile()
}

export function alertsQuery(
  { organisationId }: AlertFilter,
  { limit, before }: PageRequest,
): CompiledQuery<AlertsTable> {
  let query = db
    .selectFrom('alerts')
    .selectAll()
    .orderBy('sequence', 'desc')
    .orderBy('line', 'desc')
    .limit(limit + 1)
  if (organisationId !== null) query = query.where('organisation_id', '=', organisationId)
  if (before === null) return query.compile()
  const { sequence, line } = parseLineCursor(before)
  return query
    .where(({ eb, refTuple, tuple }) => eb(refTuple('sequence', 'line'), '<', tuple(sequence, line)))
    .compile()
}

/** Oldest first. */
export function auditChainQuery(
  organisationId: string,
  { limit, before }: PageRequest,
): CompiledQuery<AuditEntriesTable> {
  const query = db
    .selectFrom('audit_entries')
    .selectAll()
    .where('organisation_id', '=', organisationId)
    .orderBy('chain_sequence')
    .limit(limit + 1)
  if (before === null) return query.compile()
  return query.where('chain_sequence', '>', parseChainCursor(before)).compile()
}

export function payoutsQuery(
  { organisationId, state }: PayoutFilter,
  { limit, before }: PageRequest,
): CompiledQuery<PayoutsTable> {
  let query = db
    .selectFrom('payouts')
    .selectAll()
    .orderBy('sequence', 'desc')
    .orderBy('line', 'desc')
    .limit(limit + 1)
  if (organisationId !== null) query = query.where('organisation_id', '=', organisationId)
  if (state !== null) query = query.where('state', '=', state)
  if (before === null) return query.compile()
  const { sequence, line } = parseLineCursor(before)
  return query
    .where(({ eb, refTuple, tuple }) => eb(refTuple('sequence', 'line'), '<', tuple(sequence, line)))
    .compile()
}

export const payoutQuery = (payoutId: string): CompiledQuery<PayoutsTable> =>
  db.selectFrom('payouts').selectAll().where('payout_id', '=', payoutId).compile()

export const accountTotalsQuery = db
  .selectFrom('accounts')
  .leftJoin('statement_lines', 'statement_lines.account_id', 'accounts.account_id')
  .select(['accounts.account_id', 'accounts.kind', 'accounts.total'])
  .select([sql<bigint>`coalesce(sum(amount), 0)`.as('line_sum'), sql<bigint>`count(amount)`.as('lines')])
  .groupBy(['accounts.account_id', 'accounts.kind', 'accounts.total'])
  .orderBy(sql`accounts.account_id collate "C"`)
  .compile()

export const toStatementLine = (row: StatementLinesTable): StatementLine => ({
  sequence: Number(row.sequence),
  atMs: Number(row.at_ms),
  kind: StatementKind.parse(row.kind),
  memo: row.memo,
  amount: row.amount,
  counterpartyAccountId: row.counterparty_account_id,
  transferId: row.transfer_id,
  requestId: row.request_id,
  externalReference: row.external_reference,
  balanceAfter: row.balance_after,
})

export const toUsageLine = (row: UsageLinesTable): UsageLine => ({
  requestId: row.request_id,
  projectId: row.project_id,
  keyId: row.key_id,
  atMs: Number(row.started_at_ms),
  model: row.model,
  kind: UsageRecord.shape.kind.parse(row.kind),
  outcome: UsageRecord.shape.outcome.parse(row.outcome),
  // Written by `project.ts`.
  nodeIds: JSON.parse(row.node_ids) as string[],
  promptTokens: Number(row.prompt_tokens),
  cachedPromptTokens: Number(row.cached_prompt_tokens),
  completionTokens: Number(row.completion_tokens),
  cost: row.cost,
  fee: row.fee,
  firstTokenMs: row.first_token_ms === null ? null : Number(row.first_token_ms),
  totalMs: Number(row.total_ms),
})

export const toTotals = (row: Sums): UsageTotals => ({
  requests: Number(row.requests),
  promptTokens: Number(row.prompt_tokens),
  cachedPromptTokens: Number(row.cached_prompt_tokens),
  completionTokens: Number(row.completion_tokens),
  cost: row.cost,
  fee: row.fee,
})

export const toUsageDay = (row: DayRow): UsageDay => ({ day: row.day, model: row.model, ...toTotals(row) })

/** Written by `project.ts`, as it stood in the journal. */
export const toAuditEntry = (row: AuditEntriesTable): AuditEntry => JSON.parse(row.entry) as AuditEntry

export const toAlert = (row: AlertsTable): BudgetAlert => ({
  alertId: alertIdOf(Number(row.sequence), row.line),
  organisationId: row.organisation_id,
  budgetId: row.budget_id,
  keyId: row.key_id,
  window: KeyAlert.shape.window.parse(row.window_kind),
  sharePercent: row.share_percent,
  spent: row.spent,
  limit: row.spend_limit,
  atMs: Number(row.at_ms),
})

export const toPayout = (row: PayoutsTable): Payout => ({
  payoutId: row.payout_id,
  organisationId: row.organisation_id,
  accountId: row.account_id,
  amount: row.amount,
  method: row.method,
  destination: row.destination,
  state: PayoutState.parse(row.state),
  requestedAtMs: Number(row.requested_at_ms),
  settledAtMs: row.settled_at_ms === null ? null : Number(row.settled_at_ms),
  externalReference: row.external_reference,
  reason: row.reason,
})

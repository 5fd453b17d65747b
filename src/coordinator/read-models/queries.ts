/**
 * What the control API reads from the read models. Each answer is one snapshot and says, as `asOfSequence`, which
 * journal entry it includes as the last. Rejects with a `Problem`: `invalid_request` (a `before` that is no cursor),
 * `unavailable` (the tables are being made), and those of the store.
 */
import type { CompiledQuery } from 'kysely'
import type { SqlStore, SqlValue } from '#host/sql-store.ts'
import { assert } from '#kernel/assert.ts'
import type { NanoUsd } from '#kernel/money.ts'
import type { StatementLine } from '#protocol/account.ts'
import type { AuditEntry } from '#protocol/audit.ts'
import type { BudgetAlert } from '#protocol/budget-alert.ts'
import type { Job, JobTask } from '#protocol/job.ts'
import type { Payout } from '#protocol/payout.ts'
import { Problem } from '#protocol/problem.ts'
import type { SlaFact } from '#protocol/sla-evidence.ts'
import type { UsageDay, UsageLine, UsageTotals } from '#protocol/usage-page.ts'
import { formatChainCursor, formatDayCursor, formatLineCursor } from './cursor.ts'
import {
  formatJobCursor,
  formatTaskCursor,
  type JobFilter,
  type JobTaskFilter,
  jobQuery,
  jobsQuery,
  jobTasksQuery,
  keptTasksQuery,
  toKeptJob,
  toKeptTask,
} from './job-query-sql.ts'
import { isUndefined } from './position.ts'
import {
  accountTotalsQuery,
  alertsQuery,
  auditChainQuery,
  auditQuery,
  payoutQuery,
  payoutsQuery,
  positionQuery,
  statementQuery,
  summaryQuery,
  toAlert,
  toAuditEntry,
  toPayout,
  toStatementLine,
  toTotals,
  totalsQuery,
  toUsageDay,
  toUsageLine,
  usageQuery,
} from './query-sql.ts'
import {
  type KeptChain,
  type KeptReceipt,
  type ReceiptFilter,
  type ReceiptRange,
  receiptChainsQuery,
  receiptsQuery,
  toKeptChain,
  toKeptReceipt,
} from './receipt-rows.ts'
import { type FactFilter, factsQuery, toFact } from './sla-rows.ts'

export interface ReadModelQueries {
  /** Postings that changed what the account has, newest first. Empty for an account that is not known. */
  statement(accountId: string, page: PageRequest): Promise<Page<StatementLine>>
  /** Requests, newest first by when they were billed, and the totals of all that match, other pages included. */
  usage(filter: UsageFilter, page: PageRequest): Promise<Page<UsageLine> & { totals: UsageTotals }>
  usageTotals(filter: UsageFilter): Promise<UsageTotals & { asOfSequence: number }>
  /** Per day (UTC, of billing: as on the statement) and model, newest day first, then by model in code point order. */
  usageSummary(filter: UsageFilter, page: PageRequest): Promise<Page<UsageDay>>
  /** Administrative acts, newest first. */
  audit(filter: AuditFilter, page: PageRequest): Promise<Page<AuditEntry>>
  /** One organisation's chain, oldest first. */
  auditChain(organisationId: string, page: PageRequest): Promise<Page<AuditEntry>>
  /** When keys reached shares of their limits, newest first. */
  alerts(filter: AlertFilter, page: PageRequest): Promise<Page<BudgetAlert>>
  /** Newest first by when they were asked for. */
  payouts(filter: PayoutFilter, page: PageRequest): Promise<Page<Payout>>
  payout(payoutId: string): Promise<Payout | null>
  /** Of jobs that left the memory, newest first by when they were submitted; `before` is `<submittedAtMs>.<jobId>`. */
  jobs(filter: JobFilter, page: PageRequest): Promise<Page<Job>>
  /** `null` also for a job that is in memory. */
  job(jobId: string): Promise<Job | null>
  /** In the order of the plan; `before` is `<step>.<task>`. Empty for a job that is in memory. */
  jobTasks(jobId: string, filter: JobTaskFilter, page: PageRequest): Promise<Page<JobTask>>
  /** Hashes of all that was made for jobs of the organisation that left the memory and ended at `sinceMs` or later. */
  keptOutputs(organisationId: string, sinceMs: number): Promise<{ hashes: string[]; asOfSequence: number }>
  /** What a month's credit is computed from, oldest first. */
  slaFacts(filter: FactFilter, page: PageRequest): Promise<Page<SlaFact>>
  /** Chains with receipts of a node or an organisation that both sides signed, oldest first. */
  receiptChains(filter: ReceiptFilter, chain?: string): Promise<{ chains: KeptChain[]; asOfSequence: number }>
  /** Of one chain: receipts, and behind the last of each head that head. */
  receipts(range: ReceiptRange): Promise<{ rows: KeptReceipt[]; asOfSequence: number }>
  /** Every account with the sum of its statement lines, by id. Reads every line: for audits. */
  accountTotals(): Promise<{ accounts: AccountTotal[]; asOfSequence: number }>
}

export interface PageRequest {
  /** Items in the page, at least 1. */
  readonly limit: number
  /** The `next` of the page before this one; `null` for the newest. */
  readonly before: string | null
}
export interface Page<Item> {
  readonly items: Item[]
  /** `null` on the last page. */
  readonly next: string | null
  readonly asOfSequence: number
}

export interface UsageFilter {
  /** `null` for all organisations. */
  readonly organisationId: string | null
  /** Absent or `null` for all projects. */
  readonly projectId?: string | null
  /** `null` for all models. */
  readonly model: string | null
}

export interface AuditFilter {
  /** `null` for all organisations. */
  readonly organisationId: string | null
  /** `null` for all operations. */
  readonly act: string | null
}

export interface AlertFilter {
  /** `null` for all organisations. */
  readonly organisationId: string | null
}

export interface PayoutFilter {
  /** `null` for all organisations. */
  readonly organisationId: string | null
  /** `null` for all states. */
  readonly state: string | null
}

export interface AccountTotal {
  readonly accountId: string
  readonly kind: string
  /** Available and held together, as kept while projecting. */
  readonly total: NanoUsd
  /** The same, added up from the account's lines. */
  readonly lineSum: NanoUsd
  readonly lines: number
}

export function createQueries(store: SqlStore): ReadModelQueries {
  return {
    async statement(accountId, page) {
      const { results, asOfSequence } = await read(store, [statementQuery(accountId, page)])
      return pageOf(results[0], { page, asOfSequence, toItem: toStatementLine, toCursor: formatLineCursor })
    },
    async usage(filter, page) {
      const { results, asOfSequence } = await read(store, [usageQuery(filter, page), totalsQuery(filter)])
      const [rows, totals] = results
      const listed = pageOf(rows, { page, asOfSequence, toItem: toUsageLine, toCursor: formatLineCursor })
      return { ...listed, totals: toTotals(only(totals)) }
    },
    async usageTotals(filter) {
      const { results, asOfSequence } = await read(store, [totalsQuery(filter)])
      return { ...toTotals(only(results[0])), asOfSequence }
    },
    async usageSummary(filter, page) {
      const { results, asOfSequence } = await read(store, [summaryQuery(filter, page)])
      return pageOf(results[0], { page, asOfSequence, toItem: toUsageDay, toCursor: formatDayCursor })
    },
    async audit(filter, page) {
      const { results, asOfSequence } = await read(store, [auditQuery(filter, page)])
      return pageOf(results[0], { page, asOfSequence, toItem: toAuditEntry, toCursor: formatLineCursor })
    },
    async auditChain(organisationId, page) {
      const { results, asOfSequence } = await read(store, [auditChainQuery(organisationId, page)])
      return pageOf(results[0], { page, asOfSequence, toItem: toAuditEntry, toCursor: formatChainCursor })
    },
    async alerts(filter, page) {
      const { results, asOfSequence } = await read(store, [alertsQuery(filter, page)])
      return pageOf(results[0], { page, asOfSequence, toItem: toAlert, toCursor: formatLineCursor })
    },
    async payouts(filter, page) {
      const { results, asOfSequence } = await read(store, [payoutsQuery(filter, page)])
      return pageOf(results[0], { page, asOfSequence, toItem: toPayout, toCursor: formatLineCursor })
    },
    async payout(payoutId) {
      const { results } = await read(store, [payoutQuery(payoutId)])
      const [row] = results[0]
      return row ? toPayout(row) : null
    },
    async jobs(filter, page) {
      const { results, asOfSequence } = await read(store, [jobsQuery(filter, page)])
      return pageOf(results[0], { page, asOfSequence, toItem: toKeptJob, toCursor: formatJobCursor })
    },
    async job(jobId) {
      const { results } = await read(store, [jobQuery(jobId)])
      const [row] = results[0]
      return row ? toKeptJob(row) : null
    },
    async jobTasks(jobId, filter, page) {
      const { results, asOfSequence } = await read(store, [jobTasksQuery(jobId, filter, page)])
      return pageOf(results[0], { page, asOfSequence, toItem: toKeptTask, toCursor: formatTaskCursor })
    },
    async keptOutputs(organisationId, sinceMs) {
      const { results, asOfSequence } = await read(store, [keptTasksQuery(organisationId, sinceMs)])
      const hashes = results[0].flatMap((row) => row.hashes.split(' '))
      return { hashes, asOfSequence }
    },
    async slaFacts(filter, page) {
      const { results, asOfSequence } = await read(store, [factsQuery(filter, page)])
      return pageOf(results[0], { page, asOfSequence, toItem: toFact, toCursor: formatLineCursor })
    },
    async receiptChains(filter, chain) {
      const { results, asOfSequence } = await read(store, [receiptChainsQuery(filter, chain)])
      return { chains: results[0].map(toKeptChain), asOfSequence }
    },
    async receipts(range) {
      const { results, asOfSequence } = await read(store, [receiptsQuery(range)])
      return { rows: results[0].map(toKeptReceipt), asOfSequence }
    },
    async accountTotals() {
      const { results, asOfSequence } = await read(store, [accountTotalsQuery])
      const accounts = results[0].map(({ account_id, kind, total, line_sum, lines }) => ({
        accountId: account_id,
        kind,
        total,
        lineSum: line_sum,
        lines: Number(lines),
      }))
      return { accounts, asOfSequence }
    },
  }
}

type Results<Queries> = {
  [Index in keyof Queries]: Queries[Index] extends CompiledQuery<infer Row> ? readonly Row[] : never
}

/** Runs `queries` on one snapshot, with how far it reaches. */
async function read<const Queries extends readonly CompiledQuery<unknown>[]>(
  store: SqlStore,
  queries: Queries,
): Promise<{ results: Results<Queries>; asOfSequence: number }> {
  const statements = [positionQuery, ...queries].map(({ sql, parameters }) => ({
    sql,
    parameters: parameters as readonly SqlValue[], // Our own builders put nothing else in.
  }))
  const [position, ...results] = await store.run(statements).catch((error: unknown) => {
    throw isUndefined(error) ? beingMade(error) : error
  })
  const row = position?.[0]
  if (!row) throw beingMade()
  const { sequence } = row
  // The store answers each query in order with the columns that it selects, which the schema types.
  return { results: results as unknown as Results<Queries>, asOfSequence: Number(sequence) }
}

const beingMade = (cause?: unknown): Problem =>
  new Problem('unavailable', 'The tables for lists and bills are being made. Try again in a few seconds.', {
    cause,
  })

/** The row of a query that always gives one. */
function only<Row>(rows: readonly Row[]): Row {
  const [row] = rows
  assert(row, 'a sum without groups is one row')
  return row
}

interface PageParts<Row, Item> {
  readonly page: PageRequest
  readonly asOfSequence: number
  readonly toItem: (row: Row) => Item
  readonly toCursor: (row: Row) => string
}

function pageOf<Row, Item>(rows: readonly Row[], parts: PageParts<Row, Item>): Page<Item> {
  const shown = rows.slice(0, parts.page.limit)
  const last = shown.at(-1)
  const isMore = rows.length > shown.length
  return {
    items: shown.map((row) => parts.toItem(row)),
    next: isMore && last !== undefined ? parts.toCursor(last) : null,
    asOfSequence: parts.asOfSequence,
  }
}

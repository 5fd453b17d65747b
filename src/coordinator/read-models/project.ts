/**
 * From journal entries to rows. Pure: the same entries give the same statements, and what a row needs from the rows
 * before it (the balance) the database adds up itself, inside the transaction.
 */

import type { Statement } from '#host/sql-store.ts'
import { unreachable } from '#kernel/assert.ts'
import { toCanonical } from '#kernel/canonical.ts'
import { DAY_MS } from '#kernel/time.ts'
import { EXTERNAL_PAYOUTS, NETWORK_FEES, NETWORK_LOSSES } from '#ledger/ledger.ts'
import type { LedgerEvent, Payout } from '#ledger/ledger-events.ts'
import { payoutHold } from '#ledger/payouts.ts'
import type { BudgetReached } from '#organisations/budget-alerts.ts'
import { defaultProject } from '#organisations/organisations.ts'
import type { StatementKind } from '#protocol/account.ts'
import type { AuditEntry } from '#protocol/audit.ts'
import type { CoordinatorEvent, JournalRecord, UsageEvent } from '../coordinator-events.ts'
import { collectJob, collectTasks, insertJobs, type JobRows } from './job-rows.ts'
import {
  INSERT_ACCOUNTS,
  INSERT_ALERTS,
  INSERT_AUDIT,
  INSERT_LINES,
  INSERT_USAGE,
  UPSERT_PAYOUTS,
} from './project-sql.ts'
import { collectReceipts, insertReceipts, type ReceiptRow } from './receipt-rows.ts'
import { collectFacts, insertFacts, type SlaFactRow } from './sla-rows.ts'
import { storable, storableOrNull } from './storable.ts'

export interface DecodedEntry {
  readonly sequence: number
  readonly record: JournalRecord
}

/** Rows as they stand in a JSON parameter: bigints as decimal text, for JSON numbers would lose them. */
interface AccountRow {
  account_id: string
  kind: string
}
export interface LineRow {
  sequence: number
  line: number
  account_id: string
  kind: StatementKind
  amount: string
  counterparty_account_id: string
  transfer_id: string
  request_id: string | null
  external_reference: string | null
  memo: string
  at_ms: number
}
export interface UsageRow {
  sequence: number
  line: number
  day: string
  request_id: string
  organisation_id: string
  project_id: string
  key_id: string
  model: string
  kind: string
  outcome: string
  node_ids: string
  prompt_tokens: string
  cached_prompt_tokens: string
  completion_tokens: string
  cost: string
  fee: string
  transfer_id: string | null
  started_at_ms: number
  first_token_ms: number | null
  total_ms: number
  /** How many requests it adds: 0 for one that was counted before. */
  counts: 0 | 1
}

interface AuditRow {
  sequence: number
  line: number
  organisation_id: string
  chain_sequence: number
  act: string
  /** The entry as canonical JSON: what its hash is of, and nothing that PostgreSQL's text could not hold. */
  entry: string
}
export interface PayoutRow {
  payout_id: string
  sequence: number
  line: number
  organisation_id: string
  account_id: string
  amount: string
  method: string
  destination: string
  state: string
  requested_at_ms: number
  settled_at_ms: number | null
  external_reference: string | null
  reason: string | null
}

export interface AlertRow {
  sequence: number
  line: number
  organisation_id: string
  key_id: string
  budget_id: string
  window_kind: string
  share_percent: number
  spent: string
  spend_limit: string
  at_ms: number
}

interface Rows {
  readonly accounts: AccountRow[]
  readonly lines: LineRow[]
  readonly usage: UsageRow[]
  readonly audit: AuditRow[]
  readonly alerts: AlertRow[]
  readonly receipts: ReceiptRow[]
  /** By id, as the newest event tells it; in the order in which they were asked for. */
  readonly payouts: Map<string, PayoutRow>
  readonly jobs: JobRows
  readonly facts: SlaFactRow[]
}

/**
 * The statements that apply `entries` to tables which stand right before the first of them. A few statements,
 * however many the entries; none for entries that no read model shows.
 */
export function projectEntries(entries: readonly DecodedEntry[]): Statement[] {
  const jobs = { jobs: new Map(), tasks: new Map() }
  const rows: Rows = {
    accounts: [],
    lines: [],
    usage: [],
    audit: [],
    alerts: [],
    receipts: [],
    payouts: new Map(),
    jobs,
    facts: [],
  }
  for (const entry of entries) collect(rows, entry)
  return [
    ...insertOf(INSERT_ACCOUNTS, rows.accounts),
    ...insertOf(INSERT_LINES, rows.lines),
    ...insertOf(INSERT_USAGE, rows.usage),
    ...insertOf(INSERT_AUDIT, rows.audit),
    ...insertOf(INSERT_ALERTS, rows.alerts),
    ...insertReceipts(rows.receipts),
    ...insertOf(UPSERT_PAYOUTS, [...rows.payouts.values()]),
    ...insertJobs(rows.jobs),
    ...insertFacts(rows.facts),
  ]
}

const insertOf = (sql: string, rows: readonly object[]): Statement[] =>
  rows.length === 0 ? [] : [{ sql, parameters: [JSON.stringify(rows)] }]

function collect(rows: Rows, { sequence, record }: DecodedEntry): void {
  const causes = causesOf(record.events)
  let line = 0
  let usageLine = 0
  let alertLine = 0
  for (const [index, event] of record.events.entries()) {
    if (event.type === 'usage.recorded' || event.type === 'receipts.signed' || event.type === 'receipts.made')
      collectReceipts(rows.receipts, event, sequence)
    switch (event.type) {
      case 'ledger.account_opened':
        rows.accounts.push({ account_id: storable(event.accountId), kind: event.kind })
        break
      case 'ledger.transferred':
      case 'ledger.captured':
        for (const posting of postingsOf(event)) {
          rows.lines.push({
            sequence,
            line: line++,
            account_id: storable(posting.accountId),
            kind: posting.kind,
            amount: posting.amount.toString(),
            counterparty_account_id: storable(posting.counterpartyAccountId),
            transfer_id: storable(event.transferId),
            request_id: storableOrNull(causes.requestIds.get(event.transferId) ?? null),
            external_reference: storableOrNull(causes.references.get(event.transferId) ?? null),
            memo: storable(event.memo),
            at_ms: event.atMs,
          })
        }
        break
      case 'usage.recorded':
        rows.usage.push(usageRow(event, { sequence, line: usageLine++, atMs: record.atMs }))
        collectFacts(rows.facts, event, sequence)
        break
      case 'sla.tallied':
      case 'sla.requests_lost':
      case 'sla.refunded':
        collectFacts(rows.facts, event, sequence)
        break
      case 'audit.recorded':
        rows.audit.push(auditRow(event.entry, { sequence, line: index }))
        break
      case 'organisation.budget_reached':
        rows.alerts.push(alertRow(event, { sequence, line: alertLine++ }))
        break
      case 'ledger.payout_requested':
      case 'ledger.payout_paid':
      case 'ledger.payout_refused':
        collectPayout(rows, event, { sequence, line: index })
        break
      case 'work.tasks_forgotten':
        if (event.tasks) collectTasks(rows.jobs, event.jobId, event.tasks)
        break
      case 'work.job_forgotten':
        if (event.summary) collectJob(rows.jobs, event.jobId, event.summary)
        break
    }
  }
}

/** What the transfers of one entry are for, by their ids. */
function causesOf(events: readonly CoordinatorEvent[]) {
  const requestIds = new Map<string, string>()
  const references = new Map<string, string>()
  for (const event of events) {
    if (event.type === 'usage.recorded' && event.transferId !== null) {
      requestIds.set(event.transferId, event.record.requestId)
    } else if (event.type === 'ledger.payout_paid') {
      references.set(payoutHold(event.payoutId), event.externalReference)
    } else if (event.type === 'ledger.transferred' && event.externalReference !== undefined) {
      references.set(event.transferId, event.externalReference)
    }
  }
  return { requestIds, references }
}

const auditRow = (entry: AuditEntry, at: { sequence: number; line: number }): AuditRow => ({
  ...at,
  organisation_id: storable(entry.organisationId),
  chain_sequence: entry.sequence,
  act: storable(entry.act),
  entry: toCanonical(entry),
})

const alertRow = (event: BudgetReached, at: { sequence: number; line: number }): AlertRow => ({
  ...at,
  organisation_id: storable(event.organisationId),
  key_id: storable(event.keyId),
  budget_id: storable(event.budgetId),
  window_kind: event.window,
  share_percent: event.sharePercent,
  spent: event.spent.toString(),
  spend_limit: event.limit.toString(),
  at_ms: event.atMs,
})

type PayoutEvent = Extract<
  LedgerEvent,
  { type: 'ledger.payout_requested' | 'ledger.payout_paid' | 'ledger.payout_refused' }
>
const payoutStates = {
  'ledger.payout_requested': 'requested',
  'ledger.payout_paid': 'paid',
  'ledger.payout_refused': 'refused',
} as const satisfies Record<PayoutEvent['type'], string>

/** A payout keeps the place where it was asked for, whichever of its events share a batch. */
function collectPayout(rows: Rows, event: PayoutEvent, at: { sequence: number; line: number }): void {
  const { sequence, line } = rows.payouts.get(event.payoutId) ?? at
  rows.payouts.set(event.payoutId, payoutRow(event, { sequence, line }))
}

const payoutRow = (event: PayoutEvent, at: { sequence: number; line: number }): PayoutRow => ({
  payout_id: storable(event.payoutId),
  ...at,
  organisation_id: storable(event.accountId.slice(event.accountId.indexOf(':') + 1)),
  account_id: storable(event.accountId),
  amount: event.amount.toString(),
  method: storable(event.method),
  destination: storable(event.destination),
  state: payoutStates[event.type],
  requested_at_ms: event.requestedAtMs,
  settled_at_ms: event.type === 'ledger.payout_requested' ? null : event.atMs,
  external_reference: event.type === 'ledger.payout_paid' ? storable(event.externalReference) : null,
  reason: event.type === 'ledger.payout_refused' ? storable(event.reason) : null,
})

interface Posting {
  readonly accountId: string
  readonly kind: StatementKind
  readonly amount: bigint
  readonly counterpartyAccountId: string
}

/** What `event` does to each account's available and held together. The amounts sum to zero. */
function postingsOf(event: LedgerEvent & { type: 'ledger.transferred' | 'ledger.captured' }): Posting[] {
  switch (event.type) {
    case 'ledger.transferred': {
      const { debitAccountId: debit, creditAccountId: credit, amount } = event
      const kind = debit.startsWith('external:') ? 'deposit' : 'transfer'
      return [
        { accountId: debit, kind, amount: -amount, counterpartyAccountId: credit },
        { accountId: credit, kind, amount, counterpartyAccountId: debit },
      ]
    }
    case 'ledger.captured': {
      const { accountId, fromHold, fromAvailable, fromLosses, payouts } = event
      const paid = fromHold + fromAvailable
      const payer = paid > 0n ? accountId : NETWORK_LOSSES
      const isPayout = payouts.some((payout) => payout.accountId === EXTERNAL_PAYOUTS)
      const work = isPayout ? 'payout' : 'capture'
      const postings: Posting[] = []
      if (paid > 0n) {
        postings.push({
          accountId,
          kind: work,
          amount: -paid,
          counterpartyAccountId: mainPayee(payouts),
        })
      }
      if (fromLosses > 0n) {
        const counterpartyAccountId = accountId
        postings.push({ accountId: NETWORK_LOSSES, kind: 'loss', amount: -fromLosses, counterpartyAccountId })
      }
      for (const payout of payouts) {
        const kind = payout.accountId === NETWORK_FEES ? 'fee' : work
        postings.push({ ...payout, kind, counterpartyAccountId: payer })
      }
      return postings
    }
    default:
      return unreachable(event)
  }
}

/** One line tells the payer of one capture, so it names one payee: who got the most of it, the first of equals. */
function mainPayee(payouts: readonly Payout[]): string {
  const [first, ...others] = payouts
  let main = first
  for (const payout of others) if (main && payout.amount > main.amount) main = payout
  return main?.accountId ?? NETWORK_FEES
}

function usageRow(event: UsageEvent, at: { sequence: number; line: number; atMs: number }): UsageRow {
  const { record } = event
  let promptTokens = 0n
  let cachedPromptTokens = 0n
  let completionTokens = 0n
  const paid = [...record.parts, ...(record.losers ?? [])]
  for (const part of record.parts) {
    promptTokens += BigInt(part.promptTokens)
    cachedPromptTokens += BigInt(part.cachedPromptTokens ?? 0)
    completionTokens += BigInt(part.completionTokens)
  }
  return {
    sequence: at.sequence,
    line: at.line,
    day: dayOf(at.atMs),
    request_id: storable(record.requestId),
    organisation_id: storable(record.organisationId),
    project_id: storable(event.projectId ?? defaultProject(record.organisationId)),
    key_id: storable(record.keyId),
    model: storable(record.model),
    kind: record.kind,
    outcome: record.outcome,
    node_ids: JSON.stringify([...new Set(paid.map((part) => storable(part.nodeId)))]),
    prompt_tokens: promptTokens.toString(),
    cached_prompt_tokens: cachedPromptTokens.toString(),
    completion_tokens: completionTokens.toString(),
    cost: event.cost.toString(),
    fee: event.fee.toString(),
    transfer_id: storableOrNull(event.transferId),
    started_at_ms: record.startedAtMs,
    first_token_ms: record.firstTokenMs,
    total_ms: record.totalMs,
    // By the copy of its node that was billed before this reading came the request is counted already.
    counts: event.paidBefore === undefined ? 1 : 0,
  }
}

/** `YYYY-MM-DD` in UTC. */
const dayOf = (atMs: number): string =>
  new Date(Math.floor(atMs / DAY_MS) * DAY_MS).toISOString().slice(0, 'YYYY-MM-DD'.length)

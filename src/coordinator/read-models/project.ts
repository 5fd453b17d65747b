/**
 * From journal entries to rows. Pure: the same entries give the same statements, and what a row needs from the rows
 * before it (the balance) the database adds up itself, inside the transaction.
 */

import type { Statement } from '#host/sql-store.ts'
import { unreachable } from '#kernel/assert.ts'
import { DAY_MS } from '#kernel/time.ts'
import { NETWORK_FEES, NETWORK_LOSSES } from '#ledger/ledger.ts'
import type { LedgerEvent, Payout } from '#ledger/ledger-events.ts'
import type { StatementKind } from '#protocol/account.ts'
import type { JournalRecord, UsageEvent } from '../coordinator-events.ts'

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
  memo: string
  at_ms: number
}
export interface UsageRow {
  sequence: number
  line: number
  day: string
  request_id: string
  organisation_id: string
  key_id: string
  model: string
  kind: string
  outcome: string
  node_ids: string
  prompt_tokens: string
  completion_tokens: string
  cost: string
  fee: string
  transfer_id: string | null
  started_at_ms: number
  first_token_ms: number | null
  total_ms: number
}

interface Rows {
  readonly accounts: AccountRow[]
  readonly lines: LineRow[]
  readonly usage: UsageRow[]
}

/**
 * The statements that apply `entries` to tables which stand right before the first of them. A few statements,
 * however many the entries; none for entries that no read model shows.
 */
export function projectEntries(entries: readonly DecodedEntry[]): Statement[] {
  const rows: Rows = { accounts: [], lines: [], usage: [] }
  for (const entry of entries) collect(rows, entry)
  return [
    ...insertOf(INSERT_ACCOUNTS, rows.accounts),
    ...insertOf(INSERT_LINES, rows.lines),
    ...insertOf(INSERT_USAGE, rows.usage),
  ]
}

const insertOf = (sql: string, rows: readonly object[]): Statement[] =>
  rows.length === 0 ? [] : [{ sql, parameters: [JSON.stringify(rows)] }]

function collect(rows: Rows, { sequence, record }: DecodedEntry): void {
  const requestIds = new Map<string, string>()
  for (const event of record.events) {
    if (event.type === 'usage.recorded' && event.transferId !== null) {
      requestIds.set(event.transferId, event.record.requestId)
    }
  }
  let line = 0
  let usageLine = 0
  for (const event of record.events) {
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
            request_id: storableOrNull(requestIds.get(event.transferId) ?? null),
            memo: storable(event.memo),
            at_ms: event.atMs,
          })
        }
        break
      case 'usage.recorded':
        rows.usage.push(usageRow(event, { sequence, line: usageLine++, atMs: record.atMs }))
        break
    }
  }
}

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
      const postings: Posting[] = []
      if (paid > 0n) {
        postings.push({
          accountId,
          kind: 'capture',
          amount: -paid,
          counterpartyAccountId: mainPayee(payouts),
        })
      }
      if (fromLosses > 0n) {
        const counterpartyAccountId = accountId
        postings.push({ accountId: NETWORK_LOSSES, kind: 'loss', amount: -fromLosses, counterpartyAccountId })
      }
      for (const payout of payouts) {
        const kind = payout.accountId === NETWORK_FEES ? 'fee' : 'capture'
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
  let completionTokens = 0n
  for (const part of record.parts) {
    promptTokens += BigInt(part.promptTokens)
    completionTokens += BigInt(part.completionTokens)
  }
  return {
    sequence: at.sequence,
    line: at.line,
    day: dayOf(at.atMs),
    request_id: storable(record.requestId),
    organisation_id: storable(record.organisationId),
    key_id: storable(record.keyId),
    model: storable(record.model),
    kind: record.kind,
    outcome: record.outcome,
    node_ids: JSON.stringify([...new Set(record.parts.map((part) => storable(part.nodeId)))]),
    prompt_tokens: promptTokens.toString(),
    completion_tokens: completionTokens.toString(),
    cost: event.cost.toString(),
    fee: event.fee.toString(),
    transfer_id: storableOrNull(event.transferId),
    started_at_ms: record.startedAtMs,
    first_token_ms: record.firstTokenMs,
    total_ms: record.totalMs,
  }
}

/** `YYYY-MM-DD` in UTC. */
const dayOf = (atMs: number): string =>
  new Date(Math.floor(atMs / DAY_MS) * DAY_MS).toISOString().slice(0, 'YYYY-MM-DD'.length)

/** Longest id, model or memo that the API shows or takes; the journal has the whole. An index refuses long keys. */
const TEXT_LENGTH_MAX = 200

/** PostgreSQL's text holds neither NUL nor half a surrogate pair; what people and nodes send may. */
const storable = (text: string): string =>
  text.slice(0, TEXT_LENGTH_MAX).toWellFormed().replaceAll('\0', '\uFFFD')
const storableOrNull = (text: string | null): string | null => (text === null ? null : storable(text))

const INSERT_ACCOUNTS = `
  insert into read_models.accounts (account_id, kind, total)
  select account_id, kind, 0 from json_to_recordset($1::text::json) as opened(account_id text, kind text)`

/**
 * All parts of one statement see the tables as they were before it, so `total` is the balance before the first new
 * line. A line of an account that was never opened has no total, and `not null` refuses the whole.
 */
const INSERT_LINES = `
  with posted as (
    select * from json_to_recordset($1::text::json) as posted(
      sequence bigint, line int, account_id text, kind text, amount numeric, counterparty_account_id text,
      transfer_id text, request_id text, memo text, at_ms bigint)
  ), moved as (
    update read_models.accounts set total = total + gained.amount
    from (select account_id, sum(amount) as amount from posted group by account_id) as gained
    where accounts.account_id = gained.account_id
  )
  insert into read_models.statement_lines (
    sequence, line, account_id, kind, amount, balance_after, counterparty_account_id,
    transfer_id, request_id, memo, at_ms)
  select
    sequence, line, account_id, posted.kind, amount,
    total + sum(amount) over (partition by account_id order by sequence, line), counterparty_account_id,
    transfer_id, request_id, memo, at_ms
  from posted left join read_models.accounts using (account_id)`

const INSERT_USAGE = `
  with recorded as (
    select * from json_to_recordset($1::text::json) as recorded(
      sequence bigint, line int, day text, request_id text, organisation_id text, key_id text, model text,
      kind text, outcome text, node_ids text, prompt_tokens numeric, completion_tokens numeric, cost numeric,
      fee numeric, transfer_id text, started_at_ms bigint, first_token_ms bigint, total_ms bigint)
  ), inserted as (
    insert into read_models.usage_lines (
      sequence, line, request_id, organisation_id, key_id, model, kind, outcome, node_ids, prompt_tokens,
      completion_tokens, cost, fee, transfer_id, started_at_ms, first_token_ms, total_ms)
    select
      sequence, line, request_id, organisation_id, key_id, model, kind, outcome, node_ids, prompt_tokens,
      completion_tokens, cost, fee, transfer_id, started_at_ms, first_token_ms, total_ms
    from recorded
  )
  insert into read_models.usage_days as days (
    organisation_id, day, model, requests, prompt_tokens, completion_tokens, cost, fee)
  select
    organisation_id, day, model, count(*), sum(prompt_tokens), sum(completion_tokens), sum(cost), sum(fee)
  from recorded group by organisation_id, day, model
  on conflict (organisation_id, day, model) do update set
    requests = days.requests + excluded.requests,
    prompt_tokens = days.prompt_tokens + excluded.prompt_tokens,
    completion_tokens = days.completion_tokens + excluded.completion_tokens,
    cost = days.cost + excluded.cost,
    fee = days.fee + excluded.fee`

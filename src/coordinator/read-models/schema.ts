/**
 * The tables of the read models. All of them are derived from the journal, so there are no migrations: a change of
 * anything here takes the next version, and tables of another version are dropped and projected again.
 *
 * Money and token counts are `numeric(40,0)`: a sum of amounts, each of up to 30 digits, never overflows.
 */
import type { Generated } from 'kysely'
import type { Statement } from '#host/sql-store.ts'
import { emptyLedger } from '#ledger/ledger.ts'
import { type JobsTable, type JobTasksTable, jobsDdl } from './jobs-schema.ts'
import { type ReceiptsTable, receiptsDdl } from './receipt-rows.ts'
import { type SlaFactsTable, slaDdl } from './sla-rows.ts'

export const READ_MODEL_VERSION = 6

export interface ReadModelTables {
  position: PositionTable
  accounts: AccountsTable
  statement_lines: StatementLinesTable
  usage_lines: UsageLinesTable
  usage_days: UsageDaysTable
  audit_entries: AuditEntriesTable
  payouts: PayoutsTable
  alerts: AlertsTable
  receipts: ReceiptsTable
  jobs: JobsTable
  job_tasks: JobTasksTable
  sla_facts: SlaFactsTable
}

/** One row: how far the tables follow which journal. Written in the transaction that writes the rows. */
export interface PositionTable {
  id: Generated<number>
  schema_version: number
  journal_id: string
  /** The last entry that the tables include; 0 for none. */
  sequence: bigint
  /** How that entry began: tells a journal that was restored and went on differently. */
  last_entry: string
}

export interface AccountsTable {
  account_id: string
  kind: string
  /** Available and held together: the sum of the account's statement lines. */
  total: bigint
}

/** A posting that changed what an account has. Opening and releasing a hold moves money within it: no line. */
export interface StatementLinesTable {
  sequence: bigint
  /** Counts the lines of one entry from 0, over all accounts. */
  line: number
  account_id: string
  kind: string
  amount: bigint
  balance_after: bigint
  counterparty_account_id: string
  transfer_id: string
  request_id: string | null
  /** Of money that came in or went out. */
  external_reference: string | null
  memo: string
  at_ms: bigint
}

export interface UsageLinesTable {
  sequence: bigint
  /** Counts the requests of one entry from 0. */
  line: number
  request_id: string
  organisation_id: string
  project_id: string
  key_id: string
  model: string
  kind: string
  outcome: string
  /** JSON array. */
  node_ids: string
  prompt_tokens: bigint
  cached_prompt_tokens: bigint
  completion_tokens: bigint
  cost: bigint
  fee: bigint
  transfer_id: string | null
  started_at_ms: bigint
  first_token_ms: bigint | null
  total_ms: bigint
}

export interface UsageDaysTable {
  organisation_id: string
  project_id: string
  /** `YYYY-MM-DD` in UTC, of the entry that billed the request: a day that is over never changes. */
  day: string
  model: string
  requests: bigint
  prompt_tokens: bigint
  cached_prompt_tokens: bigint
  completion_tokens: bigint
  cost: bigint
  fee: bigint
}

export interface AuditEntriesTable {
  sequence: bigint
  /** Among the events of its entry, from 0. */
  line: number
  organisation_id: string
  /** In the organisation's own chain, from 1. */
  chain_sequence: bigint
  act: string
  /** The entry whole, as canonical JSON. */
  entry: string
}

export interface PayoutsTable {
  payout_id: string
  /** Where it was asked for: the order of lists. */
  sequence: bigint
  line: number
  organisation_id: string
  account_id: string
  amount: bigint
  method: string
  destination: string
  state: string
  requested_at_ms: bigint
  settled_at_ms: bigint | null
  external_reference: string | null
  reason: string | null
}

export interface AlertsTable {
  sequence: bigint
  /** Counts the alerts of one entry from 0. */
  line: number
  organisation_id: string
  key_id: string
  budget_id: string
  window_kind: string
  share_percent: number
  spent: bigint
  spend_limit: bigint
  at_ms: bigint
}

/** Rows that are updated all the time leave half a page free: then an update stays in its page and needs no vacuum. */
const ddl = [
  'drop schema if exists read_models cascade',
  'create schema read_models',
  `create table read_models.position (
    id int primary key default 1 check (id = 1),
    schema_version int not null,
    journal_id text not null,
    sequence bigint not null,
    last_entry text not null
  ) with (fillfactor = 50)`,
  `create table read_models.accounts (
    account_id text primary key,
    kind text not null,
    total numeric(40,0) not null
  ) with (fillfactor = 50)`,
  `create table read_models.statement_lines (
    sequence bigint not null,
    line int not null,
    account_id text not null,
    kind text not null,
    amount numeric(40,0) not null,
    balance_after numeric(40,0) not null,
    counterparty_account_id text not null,
    transfer_id text not null,
    request_id text,
    external_reference text,
    memo text not null,
    at_ms bigint not null,
    primary key (account_id, sequence, line)
  )`,
  `create table read_models.usage_lines (
    sequence bigint not null,
    line int not null,
    request_id text not null,
    organisation_id text not null,
    project_id text not null,
    key_id text not null,
    model text not null,
    kind text not null,
    outcome text not null,
    node_ids text not null,
    prompt_tokens numeric(40,0) not null,
    cached_prompt_tokens numeric(40,0) not null,
    completion_tokens numeric(40,0) not null,
    cost numeric(40,0) not null,
    fee numeric(40,0) not null,
    transfer_id text,
    started_at_ms bigint not null,
    first_token_ms bigint,
    total_ms bigint not null,
    primary key (sequence, line)
  )`,
  'create index on read_models.usage_lines (organisation_id, sequence, line)',
  'create index on read_models.usage_lines (organisation_id, model, sequence, line)',
  `create table read_models.usage_days (
    organisation_id text not null,
    project_id text not null,
    day text collate "C" not null,
    model text collate "C" not null,
    requests bigint not null,
    prompt_tokens numeric(40,0) not null,
    cached_prompt_tokens numeric(40,0) not null,
    completion_tokens numeric(40,0) not null,
    cost numeric(40,0) not null,
    fee numeric(40,0) not null,
    primary key (organisation_id, project_id, day, model)
  ) with (fillfactor = 50)`,
  'create index on read_models.usage_days (day, model)',
  `create table read_models.audit_entries (
    sequence bigint not null,
    line int not null,
    organisation_id text not null,
    chain_sequence bigint not null,
    act text not null,
    entry text not null,
    primary key (sequence, line)
  )`,
  'create unique index on read_models.audit_entries (organisation_id, chain_sequence)',
  `create table read_models.payouts (
    payout_id text primary key,
    sequence bigint not null,
    line int not null,
    organisation_id text not null,
    account_id text not null,
    amount numeric(40,0) not null,
    method text not null,
    destination text not null,
    state text not null,
    requested_at_ms bigint not null,
    settled_at_ms bigint,
    external_reference text,
    reason text
  )`,
  'create index on read_models.payouts (organisation_id, sequence, line)',
  `create table read_models.alerts (
    sequence bigint not null,
    line int not null,
    organisation_id text not null,
    key_id text not null,
    budget_id text not null,
    window_kind text not null,
    share_percent int not null,
    spent numeric(40,0) not null,
    spend_limit numeric(40,0) not null,
    at_ms bigint not null,
    primary key (sequence, line)
  )`,
  'create index on read_models.alerts (organisation_id, sequence, line)',
  ...jobsDdl,
  ...slaDdl,
  ...receiptsDdl,
]

/** Drops whatever is there and makes the tables as they stand before the first entry of the journal. */
export function createTables(journalId: string): Statement[] {
  const accounts = [...emptyLedger().accounts.values()]
  return [
    ...ddl.map((sql) => ({ sql, parameters: [] })),
    {
      sql: `insert into read_models.position (schema_version, journal_id, sequence, last_entry) values ($1, $2, 0, '')`,
      parameters: [READ_MODEL_VERSION, journalId],
    },
    ...accounts.map(({ id, kind }) => ({
      sql: 'insert into read_models.accounts (account_id, kind, total) values ($1, $2, 0)',
      parameters: [id, kind],
    })),
  ]
}

/** Receipts as rows: what each chain began with, each receipt, and each head that both sides signed. */
import { type CompiledQuery, sql } from 'kysely'
import type { Statement } from '#host/sql-store.ts'
import { ChainFacts, type ExtraReceipt } from '#protocol/receipts.ts'
import type { UsagePart, UsageRecord } from '#protocol/usage.ts'
import type { ReceiptEvent } from '#receipts/receipt-events.ts'
import { receiptOfPart, receiptText } from '#receipts/receipt-text.ts'
import type { UsageEvent } from '../coordinator-events.ts'
import { db } from './query-builder.ts'
import { storable, storableOrNull } from './storable.ts'

export interface ReceiptsTable {
  chain: string
  part: 'chain' | 'receipt' | 'head'
  /** 0 for what the chain began with. */
  number: bigint
  /** The journal entry that told it first. */
  sequence: bigint
  node_id: string
  /** For whom the work was done. */
  organisation_id: string | null
  /** The link; of a chain its id. */
  hash: string
  /** Facts, receipt or head as they are written. */
  text: string
}

export const receiptsDdl: readonly string[] = [
  `create table read_models.receipts (
    chain text not null,
    part text not null,
    number bigint not null,
    sequence bigint not null,
    node_id text not null,
    organisation_id text,
    hash text not null,
    text text not null,
    primary key (chain, part, number)
  )`,
  'create index on read_models.receipts (node_id, chain)',
  'create index on read_models.receipts (organisation_id, chain)',
]

export type ReceiptRow = Omit<ReceiptsTable, 'number' | 'sequence'> & { number: number; sequence: number }

type Signed = Extract<ReceiptEvent, { type: 'receipts.signed' }>
type Made = Extract<ReceiptEvent, { type: 'receipts.made' }>

/** Adds what `event` tells of receipts to `rows`. */
export function collectReceipts(
  rows: ReceiptRow[],
  event: UsageEvent | Signed | Made,
  sequence: number,
): void {
  if (event.type === 'receipts.signed') return collectSigned(rows, event, sequence)
  if (event.type === 'receipts.made') {
    const { nodeId, chain, facts, receipt } = event
    const node_id = storable(nodeId)
    if (facts) rows.push(chainRow(facts, { chain, node_id, sequence }))
    rows.push(extraRow(receipt, { chain, node_id, sequence }))
    return
  }
  const { record } = event
  for (const part of record.parts) collectPart(rows, { kind: 'part', record, part, sequence })
  for (const part of record.losers ?? []) collectPart(rows, { kind: 'race', record, part, sequence })
}

function collectPart(
  rows: ReceiptRow[],
  told: { kind: 'part' | 'race'; record: UsageRecord; part: UsagePart; sequence: number },
): void {
  const { kind, record, part, sequence } = told
  const { receipt: mark } = part
  if (!mark) return
  const { chain, number, hash, opened } = mark
  const node_id = storable(part.nodeId)
  if (opened) rows.push(chainRow(opened, { chain, node_id, sequence }))
  const text = receiptText(receiptOfPart(kind, record, part, mark))
  const organisation_id = storable(record.organisationId)
  rows.push({ chain, part: 'receipt', number, sequence, node_id, organisation_id, hash, text })
}

function collectSigned(
  rows: ReceiptRow[],
  { nodeId, head, facts, extra = [] }: Signed,
  sequence: number,
): void {
  const { chain, number, hash } = head
  const node_id = storable(nodeId)
  if (facts) rows.push(chainRow(facts, { chain, node_id, sequence }))
  for (const one of extra) rows.push(extraRow(one, { chain, node_id, sequence }))
  const text = JSON.stringify(head)
  rows.push({ chain, part: 'head', number, sequence, node_id, organisation_id: null, hash, text })
}

const extraRow = (
  { number, hash, text, organisationId }: ExtraReceipt,
  at: { chain: string; node_id: string; sequence: number },
): ReceiptRow => ({
  ...{ ...at, part: 'receipt', number, organisation_id: storableOrNull(organisationId ?? null), hash, text },
})

const chainRow = (
  facts: ChainFacts,
  at: { chain: string; node_id: string; sequence: number },
): ReceiptRow => ({
  ...{ ...at, part: 'chain', number: 0, organisation_id: null, hash: at.chain },
  text: JSON.stringify(facts),
})

/** What is told twice, by a meter reading and by a node's own copy, is the same. */
const INSERT_RECEIPTS = `
  insert into read_models.receipts (chain, part, number, sequence, node_id, organisation_id, hash, text)
  select chain, part, number, sequence, node_id, organisation_id, hash, text
  from json_to_recordset($1::text::json) as told(
    chain text, part text, number bigint, sequence bigint, node_id text, organisation_id text, hash text, text text)
  on conflict (chain, part, number) do nothing`

export const insertReceipts = (rows: readonly ReceiptRow[]): Statement[] =>
  rows.length === 0 ? [] : [{ sql: INSERT_RECEIPTS, parameters: [JSON.stringify(rows)] }]

/** Whose receipts: those of a node, or those of the work that was done for an organisation. */
export type ReceiptFilter = { readonly nodeId: string } | { readonly organisationId: string }

export interface KeptChain {
  readonly chain: string
  readonly facts: ChainFacts
  /** Of its receipts those that the filter is for. */
  readonly first: number
  readonly last: number
  readonly receipts: number
  /** The newest head before them; the beginning of the chain where there is none. */
  readonly after: { readonly number: number; readonly hash: string }
  /** The oldest head behind them. */
  readonly to: number
}

interface ChainColumns {
  chain: string
  facts: string
  first: bigint
  last: bigint
  receipts: bigint
  after_number: bigint | null
  after_hash: string | null
  to_number: bigint
}

/** Of all chains, or of one. */
export function receiptChainsQuery(filter: ReceiptFilter, chain?: string): CompiledQuery<ChainColumns> {
  const isTheirs =
    'nodeId' in filter ? sql`r.node_id = ${filter.nodeId}` : sql`r.organisation_id = ${filter.organisationId}`
  const isIt = chain === undefined ? sql`` : sql`and r.chain = ${chain}`
  return sql<ChainColumns>`
    select k.*, b.number as after_number, b.hash as after_hash
    from (
      select
        r.chain, c.text as facts, c.sequence, min(r.number) as first, max(r.number) as last, count(*) as receipts,
        (select min(h.number) from read_models.receipts h
          where h.chain = r.chain and h.part = 'head' and h.number >= max(r.number)) as to_number,
        (select max(h.number) from read_models.receipts h
          where h.chain = r.chain and h.part = 'head' and h.number < min(r.number)) as begun
      from read_models.receipts r
      join read_models.receipts c on c.chain = r.chain and c.part = 'chain'
      where r.part = 'receipt' and ${isTheirs} ${isIt} and r.number <= (
        select max(h.number) from read_models.receipts h where h.chain = r.chain and h.part = 'head')
      group by r.chain, c.text, c.sequence
    ) k
    left join read_models.receipts b on b.chain = k.chain and b.part = 'head' and b.number = k.begun
    order by k.sequence, k.chain`.compile(db)
}

export const toKeptChain = (row: ChainColumns): KeptChain => ({
  chain: row.chain,
  facts: ChainFacts.parse(JSON.parse(row.facts)),
  ...{ first: Number(row.first), last: Number(row.last), receipts: Number(row.receipts) },
  after: { number: Number(row.after_number ?? 0n), hash: row.after_hash ?? row.chain },
  to: Number(row.to_number),
})

export interface ReceiptRange {
  readonly chain: string
  /** Of numbers above this, up to `to`. */
  readonly after: number
  readonly to: number
}
export interface KeptReceipt {
  readonly part: 'receipt' | 'head'
  readonly number: number
  readonly nodeId: string
  readonly organisationId: string | null
  readonly hash: string
  readonly text: string
}

export const receiptsQuery = ({ chain, after, to }: ReceiptRange): CompiledQuery<ReceiptsTable> =>
  db
    .selectFrom('receipts')
    .selectAll()
    .where('chain', '=', chain)
    .where('part', '!=', 'chain')
    .where('number', '>', BigInt(after))
    .where('number', '<=', BigInt(to))
    .orderBy('number')
    .orderBy('part', 'desc')
    .compile()

export const toKeptReceipt = (row: ReceiptsTable): KeptReceipt => ({
  part: row.part === 'head' ? 'head' : 'receipt',
  number: Number(row.number),
  ...{ nodeId: row.node_id, organisationId: row.organisation_id, hash: row.hash, text: row.text },
})

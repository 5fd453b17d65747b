/** Evidence of promises as rows: a fact each, found by whose it is, the class and the month. */
import type { CompiledQuery } from 'kysely'
import type { Statement } from '#host/sql-store.ts'
import { toCanonical } from '#kernel/canonical.ts'
import { SlaFact } from '#protocol/sla-evidence.ts'
import { factsOf, type UsageTold } from '#sla/facts.ts'
import type { SlaEvent } from '#sla/sla-events.ts'
import { parseLineCursor } from './cursor.ts'
import type { PageRequest } from './queries.ts'
import { db } from './query-builder.ts'
import { storable } from './storable.ts'

export interface SlaFactsTable {
  sequence: bigint
  /** Counts the facts of one entry from 0. */
  line: number
  organisation_id: string
  sla_class: string
  month: string
  /** As canonical JSON, in wire form. */
  fact: string
}

export const slaDdl: readonly string[] = [
  `create table read_models.sla_facts (
    sequence bigint not null,
    line int not null,
    organisation_id text not null,
    sla_class text not null,
    month text not null,
    fact text not null,
    primary key (organisation_id, sla_class, month, sequence, line)
  )`,
]

export interface SlaFactRow {
  readonly sequence: number
  readonly line: number
  readonly organisation_id: string
  readonly sla_class: string
  readonly month: string
  readonly fact: string
}

/** Adds the facts that `event` is to `rows`, which are in the order of the journal. */
export function collectFacts(rows: SlaFactRow[], event: UsageTold | SlaEvent, sequence: number): void {
  for (const { organisationId, slaClass, month, fact } of factsOf(event)) {
    const last = rows.at(-1)
    const line = last?.sequence === sequence ? last.line + 1 : 0
    const told = { sequence, line, organisation_id: storable(organisationId), sla_class: slaClass, month }
    rows.push({ ...told, fact: toCanonical(SlaFact.encode(fact)) })
  }
}

const INSERT_FACTS = `
  insert into read_models.sla_facts (sequence, line, organisation_id, sla_class, month, fact)
  select sequence, line, organisation_id, sla_class, month, fact
  from json_to_recordset($1::text::json) as told(
    sequence bigint, line int, organisation_id text, sla_class text, month text, fact text)`

export const insertFacts = (rows: readonly SlaFactRow[]): Statement[] =>
  rows.length === 0 ? [] : [{ sql: INSERT_FACTS, parameters: [JSON.stringify(rows)] }]

export interface FactFilter {
  readonly organisationId: string
  readonly slaClass: string
  readonly month: string
}

/** Oldest first. */
export function factsQuery(
  { organisationId, slaClass, month }: FactFilter,
  { limit, before }: PageRequest,
): CompiledQuery<SlaFactsTable> {
  const query = db
    .selectFrom('sla_facts')
    .selectAll()
    .where('organisation_id', '=', organisationId)
    .where('sla_class', '=', slaClass)
    .where('month', '=', month)
    .orderBy('sequence')
    .orderBy('line')
    .limit(limit + 1)
  if (before === null) return query.compile()
  const { sequence, line } = parseLineCursor(before)
  return query
    .where(({ eb, refTuple, tuple }) => eb(refTuple('sequence', 'line'), '>', tuple(sequence, line)))
    .compile()
}

/** Written by `collectFacts`. */
export const toFact = (row: SlaFactsTable): SlaFact => SlaFact.parse(JSON.parse(row.fact))

/** What the tests of the read models work with: a journal in memory, and the verbs for one database. */
import assert from 'node:assert/strict'
import type { Clock, Journal, JournalEntry, Log } from '#host/host.ts'
import type { SqlStore } from '#host/sql-store.ts'
import { Problem } from '#protocol/problem.ts'
import type { History } from './journalled-history.ts'
import { openProjector } from './projector.ts'
import { createQueries, type Page } from './queries.ts'

/** Longer than any pause of a projector. */
export const WAIT_MS_MAX = 40_000
/** Few entries at a time make many transactions of a short history. */
const READ_MAX = 3
export const tables = ['position', 'accounts', 'statement_lines', 'usage_lines', 'usage_days']

export const silent: Log = { info() {}, warn() {}, error() {} }
/** Waits pass at once, so that pacing and backoff cost no time. */
const hasty: Pick<Clock, 'after'> = {
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs >= WAIT_MS_MAX ? delayMs : 0)
    return { cancel: () => clearTimeout(timer) }
  },
}

export type ReadModelsBench = ReturnType<typeof createBench>

export function createBench(store: SqlStore) {
  const queries = createQueries(store)

  function open(journal: MemoryJournal, on: SqlStore = store, log: Log = silent) {
    const projector = openProjector({ journal, store: on, clock: hasty, log })
    journal.listeners.push((sequence) => projector.notify(sequence))
    return projector
  }

  /** Brings the tables to the end of `journal`; tells why they were made again, each time they were. */
  async function projectAll(journal: MemoryJournal): Promise<unknown[]> {
    const reasons: unknown[] = []
    const log: Log = {
      ...silent,
      info: (event, fields) => {
        if (event === 'read_models.rebuilding') reasons.push(fields?.['reason'])
      },
    }
    const projector = open(journal, store, log)
    // Position 0 is reached before the tables are looked at.
    await projector.reach(Math.max(1, journal.lastSequence), WAIT_MS_MAX)
    projector.close()
    return reasons
  }

  async function assertExplained({ state, usage, payloads }: History, limit: number): Promise<void> {
    const { accounts, asOfSequence } = await queries.accountTotals()
    assert.equal(asOfSequence, payloads.length)
    const expected = [...state.ledger.accounts.values()].map(({ id, kind, available, held }) => ({
      accountId: id,
      kind,
      total: available + held,
      lineSum: available + held,
    }))
    expected.sort((a, b) => (a.accountId < b.accountId ? -1 : 1))
    assert.deepEqual(
      accounts.map(({ lines, ...account }) => account),
      expected,
    )
    for (const { accountId, total, lines } of accounts) {
      const statement = await everyPage((before) => queries.statement(accountId, { limit, before }))
      assert.equal(statement.length, lines)
      assert.equal(statement[0]?.balanceAfter ?? 0n, total)
      for (const [index, line] of statement.entries()) {
        assert.equal(line.balanceAfter - line.amount, statement[index + 1]?.balanceAfter ?? 0n)
      }
    }
    const { asOfSequence: _, ...totals } = await queries.usageTotals({ organisationId: null, model: null })
    assert.deepEqual(totals, totalsOf(usage))
  }

  const run = (sql: string) => store.run([{ sql, parameters: [] }])

  /** Every row of every table but the position, which names the journal. */
  async function dump() {
    const rows = await store.run(
      tables.slice(1).map((table) => ({
        sql: `select t::text as row from read_models.${table} t order by 1`,
        parameters: [],
      })),
    )
    assert.ok(rows.every((of) => of.length > 0))
    return rows
  }

  return { store, queries, open, projectAll, assertExplained, run, dump }
}

/** A journal in memory, all of it durable. */
export function createJournal({ payloads }: { payloads: readonly string[] }) {
  const kept = [...payloads]
  const listeners: ((lastSequence: number) => void)[] = []
  const journal = {
    id: `journal-${++journals}`,
    payloads: kept,
    trimmedThrough: 0,
    listeners,
    get lastSequence() {
      return kept.length
    },
    async read(fromSequence: number, countMax: number): Promise<readonly JournalEntry[]> {
      const from = Math.max(fromSequence, journal.trimmedThrough + 1)
      const found = kept.slice(from - 1, from - 1 + Math.min(countMax, READ_MAX))
      return found.map((payload, index) => ({ sequence: from + index, epoch: 1, payload }))
    },
    add(payload: string) {
      kept.push(payload)
      for (const notify of listeners) notify(kept.length)
    },
  } satisfies Pick<Journal, 'id' | 'lastSequence' | 'read'> & Record<string, unknown>
  return journal
}
export type MemoryJournal = ReturnType<typeof createJournal>
let journals = 0

/** Fails now and then: before the transaction, or after it, when only the answer is lost. */
export const unreliable = (inner: SqlStore, roll: () => number): SqlStore => ({
  async run(statements) {
    const luck = roll()
    if (luck < 20) throw new Problem('unavailable', 'failed before')
    const rows = await inner.run(statements)
    if (luck < 40) throw new Problem('unavailable', 'failed after')
    return rows
  },
  close: () => Promise.resolve(),
})

export function totalsOf(usage: History['usage']) {
  const tokens = { promptTokens: 0, cachedPromptTokens: 0, completionTokens: 0 }
  const totals = { requests: usage.length, ...tokens, cost: 0n, fee: 0n }
  for (const { record, cost, fee } of usage) {
    totals.cost += cost
    totals.fee += fee
    for (const part of record.parts) {
      totals.promptTokens += part.promptTokens
      totals.cachedPromptTokens += part.cachedPromptTokens ?? 0
      totals.completionTokens += part.completionTokens
    }
  }
  return totals
}

export async function everyPage<Item>(read: (before: string | null) => Promise<Page<Item>>): Promise<Item[]> {
  const items: Item[] = []
  let before: string | null = null
  do {
    const page: Page<Item> = await read(before)
    items.push(...page.items)
    before = page.next
  } while (before !== null)
  return items
}

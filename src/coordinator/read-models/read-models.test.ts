/** The projector and the queries on a real database, fed with what the real deciders journal. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import fc from 'fast-check'
import type { Clock, Journal, JournalEntry, Log } from '#host/host.ts'
import { openPgliteStore } from '#host/node/pglite-store.ts'
import type { SqlStore } from '#host/sql-store.ts'
import { Problem } from '#protocol/problem.ts'
import { type History, journalledHistory } from './journalled-history.ts'
import { openProjector } from './projector.ts'
import { createQueries, type Page } from './queries.ts'
import { busyTurns, turns } from './test-turns.ts'

const WAIT_MS_MAX = 20_000
/** A property that fails is shrunk no longer than this. */
const PROPERTY_MS_MAX = 30_000
/** Few entries at a time make many transactions of a short history. */
const READ_MAX = 3

const silent: Log = { info() {}, warn() {}, error() {} }
/** Waits pass at once, so that pacing and backoff cost no time. */
const hasty: Pick<Clock, 'after'> = {
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs >= WAIT_MS_MAX ? delayMs : 0)
    return { cancel: () => clearTimeout(timer) }
  },
}

const store = openPgliteStore({ folder: null, owner: 'test', log: silent })
const queries = createQueries(store)
after(() => store.close())

test('queries say so while there are no tables', async () => {
  const none = { organisationId: null, model: null }
  const page = { limit: 1, before: null }
  const isBeingMade = (error: unknown) =>
    error instanceof Problem && error.code === 'unavailable' && error.retriable
  await assert.rejects(queries.statement('a', page), isBeingMade)
  await assert.rejects(queries.usage(none, page), isBeingMade)
  await assert.rejects(queries.usageSummary(none, page), isBeingMade)
})

test('statements explain every account, and usage every request', async () => {
  await fc.assert(
    fc.asyncProperty(turns(), fc.integer({ min: 1, max: 5 }), async (steps, limit) => {
      const history = journalledHistory(steps)
      await projectAll(createJournal(history))
      await assertExplained(history, limit)
    }),
    { numRuns: 25, interruptAfterTimeLimit: PROPERTY_MS_MAX },
  )
})

test('wherever a projector stops or its store fails, each entry counts once', async () => {
  await fc.assert(
    fc.asyncProperty(turns(), fc.infiniteStream(fc.nat(99)), async (steps, dice) => {
      const history = journalledHistory(steps)
      const roll = (): number => dice.next().value ?? 0
      const journal = createJournal(history)
      // Lives that end at a chance moment, with an unreliable store; then one that may finish.
      for (let life = 0; life < 4; life++) {
        const projector = open(journal, unreliable(store, roll))
        await projector.reach(roll() % (history.payloads.length + 1), WAIT_MS_MAX)
        projector.close()
      }
      await projectAll(journal)
      await assertExplained(history, 100)
    }),
    { numRuns: 15, interruptAfterTimeLimit: PROPERTY_MS_MAX },
  )
})

test('two projectors on one store do not count twice', async () => {
  const history = journalledHistory(busyTurns)
  const journal = createJournal(history)
  const both = [open(journal), open(journal)]
  for (const projector of both) assert.ok(await projector.reach(history.payloads.length, WAIT_MS_MAX))
  for (const projector of both) projector.close()
  await assertExplained(history, 100)
})

test('the tables follow the journal as it grows', async () => {
  const { payloads } = journalledHistory(busyTurns)
  const journal = createJournal({ payloads: [] })
  const projector = open(journal)
  for (const payload of payloads) {
    journal.add(payload)
    assert.ok(await projector.reach(journal.lastSequence, WAIT_MS_MAX))
    assert.equal(projector.position(), journal.lastSequence)
    assert.equal(projector.lag(), 0)
  }
  assert.equal(await projector.reach(journal.lastSequence + 1, 0), false)
  projector.close()
  assert.equal(await projector.reach(journal.lastSequence + 1, WAIT_MS_MAX), false)
})

test('a rebuild gives the same tables, and replaces what was wrong in them', async () => {
  const journal = createJournal(journalledHistory(busyTurns))
  await projectAll(journal)
  const before = await dump()
  await run(`update read_models.statement_lines set amount = amount + 1`)
  await run('delete from read_models.usage_days')
  const projector = open(journal)
  await projector.rebuild()
  assert.equal(projector.position(), journal.lastSequence)
  projector.close()
  assert.deepEqual(await dump(), before)
  await assert.rejects(projector.rebuild(), { code: 'unavailable' })
})

const foreignTables: readonly { name: string; harm: string; reason: string }[] = [
  { name: 'another schema version', harm: 'set schema_version = 0', reason: 'other_schema_version' },
  { name: 'another journal', harm: `set journal_id = 'other'`, reason: 'other_journal' },
  { name: 'entries that the journal never had', harm: 'set sequence = 1000', reason: 'ahead_of_journal' },
  { name: 'another history of the journal', harm: `set last_entry = '1:other'`, reason: 'other_history' },
]
for (const { name, harm, reason } of foreignTables) {
  test(`tables of ${name} are made again`, async () => {
    const journal = createJournal(journalledHistory(busyTurns))
    await projectAll(journal)
    const before = await dump()
    await run(`update read_models.position ${harm}`)
    await run(`update read_models.accounts set total = 12345`)
    assert.deepEqual(await projectAll(journal), [reason])
    assert.deepEqual(await dump(), before)
    assert.deepEqual(await projectAll(journal), [])
  })
}

test('tables of an older program are made again', async () => {
  const journal = createJournal(journalledHistory(busyTurns))
  await projectAll(journal)
  await run('alter table read_models.position drop column last_entry')
  assert.deepEqual(await projectAll(journal), ['no_tables'])
})

test('tables that vanish under a projector are made again', async () => {
  const history = journalledHistory(busyTurns)
  const journal = createJournal({ payloads: history.payloads.slice(0, -1) })
  const projector = open(journal)
  assert.ok(await projector.reach(journal.lastSequence, WAIT_MS_MAX))
  await run('drop schema read_models cascade')
  journal.add(history.payloads.at(-1) ?? '')
  assert.ok(await projector.reach(journal.lastSequence, WAIT_MS_MAX))
  projector.close()
  await assertExplained(history, 100)
})

test('tables that go back under a projector are brought up from where they stand', async () => {
  const history = journalledHistory(busyTurns)
  const journal = createJournal({ payloads: history.payloads.slice(0, 7) })
  await projectAll(journal)
  for (const table of tables) await run(`create temp table old_${table} as table read_models.${table}`)
  journal.add(history.payloads[7] ?? '')
  const projector = open(journal)
  assert.ok(await projector.reach(8, WAIT_MS_MAX))
  for (const table of tables) {
    await run(`truncate read_models.${table}`)
    await run(`insert into read_models.${table} table old_${table}`)
  }
  for (const payload of history.payloads.slice(8)) journal.add(payload)
  assert.ok(await projector.reach(journal.lastSequence, WAIT_MS_MAX))
  projector.close()
  await assertExplained(history, 100)
})

test('tables that the journal cannot make again are kept', async () => {
  const journal = createJournal(journalledHistory(busyTurns))
  await projectAll(journal)
  const before = await dump()
  journal.trimmedThrough = 2
  const projector = open(journal)
  await assert.rejects(projector.rebuild(), { code: 'unavailable', message: /entry 3/ })
  projector.close()
  assert.deepEqual(await dump(), before)
})

test('an entry that cannot be read stops the tables before it, not the program', async () => {
  const { payloads } = journalledHistory(busyTurns)
  const journal = createJournal({
    payloads: [...payloads.slice(0, 4), '{"version":99}', ...payloads.slice(5)],
  })
  const warned: string[] = []
  const projector = open(journal, store, { ...silent, warn: (event) => warned.push(event) })
  assert.ok(await projector.reach(3, WAIT_MS_MAX))
  assert.equal(await projector.reach(5, 1), false)
  journal.payloads[4] = payloads[4] ?? ''
  assert.ok(await projector.reach(payloads.length, WAIT_MS_MAX))
  projector.close()
  assert.equal(warned[0], 'read_models.failed')
})

test('usage is listed and summed by organisation and model', async () => {
  const history = journalledHistory(busyTurns)
  await projectAll(createJournal(history))
  for (const organisationId of [null, 'org-a', 'org-b', 'unknown']) {
    for (const model of [null, 'guide', 'unknown']) {
      const expected = history.usage.filter(
        ({ record }) =>
          (organisationId === null || record.organisationId === organisationId) &&
          (model === null || record.model === model),
      )
      const filter = { organisationId, model }
      const listed = await everyPage((before) => queries.usage(filter, { limit: 2, before }))
      const ids = expected.map(({ record }) => record.requestId)
      assert.deepEqual(
        listed.map((line) => line.requestId),
        ids.reverse(),
      )
      const { asOfSequence, ...totals } = await queries.usageTotals(filter)
      assert.equal(asOfSequence, history.payloads.length)
      assert.deepEqual(totals, totalsOf(expected))
      assert.deepEqual((await queries.usage(filter, { limit: 1, before: null })).totals, totals)
      const days = await everyPage((before) => queries.usageSummary(filter, { limit: 1, before }))
      assert.equal(
        days.reduce((sum, day) => sum + day.cost, 0n),
        totals.cost,
      )
      const keys = days.map(({ day, model }) => `${day} ${model}`)
      assert.equal(new Set(keys).size, keys.length)
    }
  }
})

test('a cursor of no page is refused', async () => {
  await projectAll(createJournal(journalledHistory([])))
  const refused = { code: 'invalid_request' }
  for (const before of ['', '1', '1.2.3', '-1.0', '99999999999999999999.0', `1.1'`]) {
    await assert.rejects(queries.statement('a', { limit: 1, before }), refused)
    await assert.rejects(
      queries.usageSummary({ organisationId: null, model: null }, { limit: 1, before }),
      refused,
    )
  }
})

/** A journal in memory, all of it durable. */
function createJournal({ payloads }: { payloads: readonly string[] }) {
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
type MemoryJournal = ReturnType<typeof createJournal>
let journals = 0

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

/** Fails now and then: before the transaction, or after it, when only the answer is lost. */
const unreliable = (inner: SqlStore, roll: () => number): SqlStore => ({
  async run(statements) {
    const luck = roll()
    if (luck < 20) throw new Problem('unavailable', 'failed before')
    const rows = await inner.run(statements)
    if (luck < 40) throw new Problem('unavailable', 'failed after')
    return rows
  },
  close: () => Promise.resolve(),
})

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

function totalsOf(usage: History['usage']) {
  const totals = { requests: usage.length, promptTokens: 0, completionTokens: 0, cost: 0n, fee: 0n }
  for (const { record, cost, fee } of usage) {
    totals.cost += cost
    totals.fee += fee
    for (const part of record.parts) {
      totals.promptTokens += part.promptTokens
      totals.completionTokens += part.completionTokens
    }
  }
  return totals
}

async function everyPage<Item>(read: (before: string | null) => Promise<Page<Item>>): Promise<Item[]> {
  const items: Item[] = []
  let before: string | null = null
  do {
    const page: Page<Item> = await read(before)
    items.push(...page.items)
    before = page.next
  } while (before !== null)
  return items
}

const run = (sql: string) => store.run([{ sql, parameters: [] }])

const tables = ['position', 'accounts', 'statement_lines', 'usage_lines', 'usage_days']

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

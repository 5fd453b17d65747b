/** What the projector and the queries do on any database, fed with what the real deciders journal. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { SqlStore } from '#host/sql-store.ts'
import { Problem } from '#protocol/problem.ts'
import { formatRecord, type UsageEvent } from '../coordinator-events.ts'
import { journalledHistory } from './journalled-history.ts'
import {
  createBench,
  createJournal,
  everyPage,
  type ReadModelsBench,
  silent,
  tables,
  totalsOf,
  unreliable,
  WAIT_MS_MAX,
} from './test-bench.ts'
import { jobFacts } from './test-job-facts.ts'
import { busyTurns, turns } from './test-turns.ts'

/** A property that fails is shrunk no longer than this. */
const PROPERTY_MS_MAX = 30_000

/** Registers the facts as tests of `name`, in order, on one database that no other test uses meanwhile. */
export function readModelsContract(name: string, store: SqlStore): void {
  const bench = createBench(store)
  for (const [title, tell] of Object.entries({ ...facts, ...jobFacts }))
    test(`${name}: ${title}`, () => tell(bench))
  for (const { what, harm, reason } of foreignTables) {
    test(`${name}: tables of ${what} are made again`, async () => {
      const { projectAll, dump, run } = bench
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
}

const foreignTables: readonly { what: string; harm: string; reason: string }[] = [
  { what: 'another schema version', harm: 'set schema_version = 0', reason: 'other_schema_version' },
  { what: 'another journal', harm: `set journal_id = 'other'`, reason: 'other_journal' },
  { what: 'entries that the journal never had', harm: 'set sequence = 1000', reason: 'ahead_of_journal' },
  { what: 'another history of the journal', harm: `set last_entry = '1:other'`, reason: 'other_history' },
]

type Fact = (bench: ReadModelsBench) => Promise<void>
const facts: Readonly<Record<string, Fact>> = {
  'queries say so while there are no tables': async ({ queries }) => {
    const none = { organisationId: null, model: null }
    const page = { limit: 1, before: null }
    const isBeingMade = (error: unknown) =>
      error instanceof Problem && error.code === 'unavailable' && error.retriable
    await assert.rejects(queries.statement('a', page), isBeingMade)
    await assert.rejects(queries.usage(none, page), isBeingMade)
    await assert.rejects(queries.usageSummary(none, page), isBeingMade)
  },

  'statements explain every account, and usage every request': async ({ projectAll, assertExplained }) => {
    await fc.assert(
      fc.asyncProperty(turns(), fc.integer({ min: 1, max: 5 }), async (steps, limit) => {
        const history = journalledHistory(steps)
        await projectAll(createJournal(history))
        await assertExplained(history, limit)
      }),
      { numRuns: 25, interruptAfterTimeLimit: PROPERTY_MS_MAX },
    )
  },

  'wherever a projector stops or its store fails, each entry counts once': async ({
    store,
    open,
    projectAll,
    assertExplained,
  }) => {
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
  },

  'two projectors on one store do not count twice': async ({ open, assertExplained }) => {
    const history = journalledHistory(busyTurns)
    const journal = createJournal(history)
    const both = [open(journal), open(journal)]
    for (const projector of both) assert.ok(await projector.reach(history.payloads.length, WAIT_MS_MAX))
    for (const projector of both) projector.close()
    await assertExplained(history, 100)
  },

  'the tables follow the journal as it grows': async ({ open }) => {
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
  },

  'a rebuild gives the same tables, and replaces what was wrong in them': async ({
    open,
    projectAll,
    dump,
    run,
  }) => {
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
  },

  'tables of an older program are made again': async ({ projectAll, run }) => {
    const journal = createJournal(journalledHistory(busyTurns))
    await projectAll(journal)
    await run('alter table read_models.position drop column last_entry')
    assert.deepEqual(await projectAll(journal), ['no_tables'])
  },

  'tables that vanish under a projector are made again': async ({ open, assertExplained, run }) => {
    const history = journalledHistory(busyTurns)
    const journal = createJournal({ payloads: history.payloads.slice(0, -1) })
    const projector = open(journal)
    assert.ok(await projector.reach(journal.lastSequence, WAIT_MS_MAX))
    await run('drop schema read_models cascade')
    journal.add(history.payloads.at(-1) ?? '')
    assert.ok(await projector.reach(journal.lastSequence, WAIT_MS_MAX))
    projector.close()
    await assertExplained(history, 100)
  },

  'tables that go back under a projector are brought up from where they stand': async ({
    open,
    projectAll,
    assertExplained,
    run,
  }) => {
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
  },

  'tables that the journal cannot make again are kept': async ({ open, projectAll, dump }) => {
    const journal = createJournal(journalledHistory(busyTurns))
    await projectAll(journal)
    const before = await dump()
    journal.trimmedThrough = 2
    const projector = open(journal)
    await assert.rejects(projector.rebuild(), { code: 'unavailable', message: /entry 3/ })
    projector.close()
    assert.deepEqual(await dump(), before)
  },

  'an entry that cannot be read stops the tables before it, not the program': async ({ store, open }) => {
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
  },

  'usage is listed and summed by organisation and model': async ({ queries, projectAll }) => {
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
  },

  'a request that its node had billed before its reading came counts once': async ({
    queries,
    projectAll,
  }) => {
    const { payloads } = journalledHistory(busyTurns)
    const record = (outcome: 'completed' | 'cancelled', parts: UsageEvent['record']['parts']) => ({
      ...{ requestId: 'claimed', organisationId: 'org-c', keyId: 'k', holdId: '', model: 'claimed', parts },
      ...{ kind: 'chat' as const, outcome, startedAtMs: 1, firstTokenMs: null, totalMs: 0 },
    })
    const price = { promptPerMillion: 1_000_000n, completionPerMillion: 0n }
    const part = { nodeId: 'n', promptTokens: 7, completionTokens: 2, ...price }
    const event = { type: 'usage.recorded', sequence: 1, transferId: null, fee: 0n } as const
    const claim: UsageEvent = { ...event, spoolId: 'a', cost: 7n, record: record('completed', [part]) }
    const reading: UsageEvent = {
      ...{ ...event, spoolId: 'b', cost: 0n, paidBefore: 7n, record: record('cancelled', []) },
    }
    const atMs = Date.UTC(2026, 5, 1)
    const more = [claim, reading].map((one) => formatRecord({ version: 1, atMs, events: [one] }))
    await projectAll(createJournal({ payloads: [...payloads, ...more] }))
    const filter = { organisationId: null, model: 'claimed' }
    const { requests, promptTokens, cost } = await queries.usageTotals(filter)
    assert.deepEqual({ requests, promptTokens, cost }, { requests: 1, promptTokens: 7, cost: 7n })
    const days = await everyPage((before) => queries.usageSummary(filter, { limit: 1, before }))
    assert.deepEqual(
      days.map((day) => day.requests),
      [1],
    )
  },

  'a cursor of no page is refused': async ({ queries, projectAll }) => {
    await projectAll(createJournal(journalledHistory([])))
    const refused = { code: 'invalid_request' }
    for (const before of ['', '1', '1.2.3', '-1.0', '99999999999999999999.0', `1.1'`]) {
      await assert.rejects(queries.statement('a', { limit: 1, before }), refused)
      await assert.rejects(
        queries.usageSummary({ organisationId: null, model: null }, { limit: 1, before }),
        refused,
      )
    }
  },
}

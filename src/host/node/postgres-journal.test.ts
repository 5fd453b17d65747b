import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import type { Journal } from '#host/host.ts'
import { payloadOf } from './journal-child.ts'
import { appended, journalContract } from './journal-contract.ts'
import { nodeClock } from './node-clock.ts'
import { createPostgresJournals } from './postgres-journal.ts'
import { skipWithoutPostgres, startPostgres, type TestPostgres } from './test-postgres.ts'

const log = { info() {}, warn() {}, error() {} }
const isSkipped = skipWithoutPostgres('PostgreSQL journal')
const server = isSkipped ? null : await startPostgres()
after(() => server?.dispose())
const fact = (title: string, tell: (bench: Bench) => Promise<void>): void => {
  if (server) test(title, (t) => tell(setup(t, server)))
}

if (server) {
  journalContract('PostgreSQL journal', () => {
    const journals = createPostgresJournals({
      url: server.createDatabase(),
      holder: 'test',
      clock: nodeClock,
      log,
    })
    return { journals, dispose: () => journals.close() }
  })
}

fact('any character of a payload comes back, also those that part payloads on the way', async ({ open }) => {
  const payloads = ['\x1e', 'a\x1eb', '\x1f', '\x1f"x"', '\0\x1e\x1f', '', '\\x1e', `{"a":"\\u0000'"}`, ' ']
  const journal = await open()
  for (const payload of payloads) await appended(journal, [payload])
  await appended(journal, payloads)
  assert.deepEqual(
    (await journal.read(1, 99)).map((entry) => entry.payload),
    [...payloads, ...payloads],
  )
})

fact('a flipped bit in a payload is found and named, by reading', async ({ open, fill, sql, url }) => {
  await fill(3_000)
  sql(`update shoal.entries set payload = overlay(payload placing '=' from 100) where sequence = 17`)
  const journal = await open()
  await assert.rejects(journal.read(1, 3_000), {
    code: 'journal_corrupt',
    message:
      /^The journal "ledger" in PostgreSQL at .* is damaged at entry 17: .*Restore the database from a backup/,
    details: { database: labelOf(url), sequence: 17 },
  })
  assert.equal((await journal.read(1, 16)).length, 16)
})

fact('a flipped bit near the end is found and named when the journal opens', async ({ open, fill, sql }) => {
  await fill(3_000)
  sql(`update shoal.entries set payload = overlay(payload placing '=' from 100) where sequence = 2990`)
  await assert.rejects(open(), { code: 'journal_corrupt' })
  // Who refused it does not keep it from being mended and opened.
  sql(`update shoal.entries set payload = overlay(payload placing '.' from 100) where sequence = 2990`)
  await open()
})

fact('each way to change the record shows', async ({ open, fill, sql, url }) => {
  const cases: [change: string, sequence: number][] = [
    [`update shoal.entries set payload = 'x' where sequence = 2`, 2],
    [`update shoal.entries set payload = e'\\x1fx' where sequence = 2`, 2],
    ['update shoal.entries set epoch = 7 where sequence = 2', 2],
    [`update shoal.entries set checksum = '' where sequence = 2`, 2],
    ['update shoal.entries set epoch = 9007199254740993 where sequence = 2', 2],
    ['delete from shoal.entries where sequence = 2', 2],
    ['delete from shoal.entries where sequence = 1', 1],
    ['delete from shoal.entries where sequence = 5', 5],
    ['delete from shoal.entries', 1],
    ['update shoal.entries set sequence = 6 where sequence = 5', 5],
    [`update shoal.journals set last_sequence = 4, last_checksum = ''`, 4],
    [`update shoal.journals set last_checksum = ''`, 5],
    [`update shoal.journals set trimmed_checksum = ''`, 1],
    ['update shoal.journals set epoch = -1', 5],
  ]
  await fill(5)
  sql('create table kept as table shoal.entries; create table head as table shoal.journals')
  for (const [change, sequence] of cases) {
    sql(change)
    const details = { database: labelOf(url), sequence }
    await assert.rejects(open(), { code: 'journal_corrupt', details }, change)
    sql('truncate shoal.entries, shoal.journals; insert into shoal.entries table kept')
    sql('insert into shoal.journals table head')
  }
  await open()
})

fact('entries of another journal do not fit in', async ({ open, fill, sql }) => {
  await fill(5)
  await (await open('other')).close()
  sql(`update shoal.journals set (last_sequence, last_checksum) = (
    select last_sequence, last_checksum from shoal.journals where name = 'ledger') where name = 'other'`)
  sql(`insert into shoal.entries select 'other', sequence, epoch, payload, checksum from shoal.entries`)
  await assert.rejects(open('other'), { code: 'journal_corrupt' })
})

fact('a trimmed journal is still verified from its first entry on', async ({ open, fill, sql }) => {
  await fill(5)
  const journal = await open()
  journal.trim(3)
  await journal.close()
  assert.equal(sql('select min(sequence), count(*) from shoal.entries'), '4|2')
  sql(`update shoal.entries set payload = 'x' where sequence = 4`)
  await assert.rejects(open(), { code: 'journal_corrupt' })
})

fact('a journal of a newer version is refused by name', async ({ open, fill, sql, url }) => {
  await fill(5)
  sql('update shoal.journals set format = 2; alter table shoal.journals rename column last_checksum to tip')
  await assert.rejects(open(), {
    code: 'journal_newer',
    message: `The journal "ledger" in ${labelOf(url)} was written by a newer Shoal, in journal format 2; this one reads up to format 1. Update Shoal.`,
  })
})

fact('large groups go in one statement each, and come back', async ({ open }) => {
  const journal = await open()
  const large = '😀'.repeat(3_000_000)
  await Promise.all([
    appended(journal, [large]),
    appended(journal, [large, 'small']),
    appended(journal, ['last']),
  ])
  const lengths = []
  for (let sequence = 1; sequence <= 4; sequence++) {
    lengths.push((await journal.read(sequence, 1))[0]?.payload.length)
  }
  assert.deepEqual(lengths, [large.length, large.length, 5, 4])
})

fact('what several journals hold stays apart', async ({ open }) => {
  const [one, two] = [await open('one'), await open('two')]
  await Promise.all([appended(one, ['a']), appended(two, ['b', 'c'])])
  assert.deepEqual(
    (await two.read(1, 9)).map(({ sequence, payload }) => [sequence, payload]),
    [
      [1, 'b'],
      [2, 'c'],
    ],
  )
})

const labelOf = (url: string): string => `PostgreSQL at ${url.slice(url.indexOf('@') + 1)}`

interface Bench {
  readonly url: string
  sql(text: string): string
  open(name?: string): Promise<Journal>
  /** Leaves a journal of so many entries. */
  fill(count: number): Promise<void>
}

function setup(t: TestContext, { createDatabase, sql }: TestPostgres): Bench {
  const url = createDatabase()
  const journals = createPostgresJournals({ url, holder: 'test', clock: nodeClock, log })
  const opened: Journal[] = []
  t.after(async () => {
    for (const journal of opened) await journal.close()
  })
  return {
    url,
    sql: (text) => sql(text, url),
    async open(name = 'ledger') {
      const journal = await journals.open(name)
      opened.push(journal)
      return journal
    },
    async fill(count) {
      const journal = await journals.open('ledger')
      await appended(
        journal,
        Array.from({ length: count }, (_, index) => payloadOf(index + 1)),
      )
      await journal.close()
    },
  }
}

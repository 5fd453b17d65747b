import assert from 'node:assert/strict'
import { once } from 'node:events'
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import type { Worker } from 'node:worker_threads'
import type { Journal } from '#host/host.ts'
import { payloadOf } from './journal-child.ts'
import { appended, journalContract } from './journal-contract.ts'
import { createSqliteJournals } from './sqlite-journal.ts'
import { JournalStore } from './sqlite-journal-store.ts'

journalContract('sqlite journal', () => {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-journal-'))
  return {
    journals: createSqliteJournals(folder),
    dispose: () => rmSync(folder, { recursive: true }),
  }
})

test('a second opener in this process is refused and told who holds the journal', async (t) => {
  const { path, open } = setup(t)
  await open()
  await assert.rejects(open(), {
    code: 'folder_in_use',
    message: new RegExp(
      `^${path} is in use by shoal \\(process ${process.pid}, since \\d{4}-.*Z\\)\\. Stop it, or choose another folder`,
    ),
  })
})

test('a stale epoch fails the group and all later ones, and writes nothing', async (t) => {
  const { path, open, write } = setup(t)
  const first = await open()
  await appended(first, ['kept'])
  write('UPDATE meta SET epoch = epoch + 1')
  const done: string[] = []
  for (const payload of ['lost', 'lost too']) {
    first.append([payload], (problem) => done.push(problem?.code ?? 'durable'))
  }
  await assert.rejects(appended(first, ['late']), { code: 'epoch_stale', message: /epoch 1, must stop/ })
  assert.deepEqual(done, ['epoch_stale', 'epoch_stale'])
  await assert.rejects(appended(first, ['later']), { code: 'epoch_stale', details: { file: path, epoch: 1 } })
  await first.close()
  const second = await open()
  assert.equal(second.epoch, 3)
  assert.deepEqual(await second.read(1, 9), [{ sequence: 1, epoch: 1, payload: 'kept' }])
})

test('a flipped bit in a payload is found and named, by reading', async (t) => {
  const { path, open, fill, flip } = setup(t)
  fill(3_000)
  flip(payloadOf(17))
  const journal = await open()
  await assert.rejects(journal.read(1, 3_000), {
    code: 'journal_corrupt',
    message: new RegExp(`^${path} is damaged at entry 17: .*Restore the file from a backup`),
    details: { file: path, sequence: 17 },
  })
  assert.equal((await journal.read(1, 16)).length, 16)
})

test('a flipped bit near the end is found and named when the journal opens', async (t) => {
  const { path, open, fill, flip } = setup(t)
  fill(3_000)
  flip(payloadOf(2_990))
  await assert.rejects(open(), { code: 'journal_corrupt', details: { file: path, sequence: 2_990 } })
})

test('each way to change the record shows', (t) => {
  const cases: [change: string, sequence: number][] = [
    ["UPDATE entry SET payload = 'x' WHERE sequence = 2", 2],
    ['UPDATE entry SET epoch = 7 WHERE sequence = 2', 2],
    ["UPDATE entry SET checksum = '' WHERE sequence = 2", 2],
    ['UPDATE entry SET epoch = 9007199254740993 WHERE sequence = 2', 2],
    ['DELETE FROM entry WHERE sequence = 2', 2],
    ['DELETE FROM entry WHERE sequence = 1', 1],
    ['DELETE FROM entry WHERE sequence = 5', 5],
    ['DELETE FROM entry', 1],
    ['UPDATE entry SET sequence = 6 WHERE sequence = 5', 5],
    ["UPDATE meta SET last_sequence = 4, last_checksum = ''", 4],
    ["UPDATE meta SET last_checksum = ''", 5],
    ["UPDATE meta SET trimmed_checksum = ''", 1],
    ['UPDATE meta SET epoch = 0', 5],
  ]
  for (const [change, sequence] of cases) {
    const { path, fill, write } = setup(t)
    fill(5)
    write(change)
    assert.throws(
      () => new JournalStore(path),
      { code: 'journal_corrupt', details: { file: path, sequence } },
      change,
    )
  }
})

test('entries of another journal do not fit in', async (t) => {
  const ours = setup(t)
  const theirs = setup(t)
  ours.fill(5)
  theirs.fill(5)
  ours.write(
    `ATTACH '${theirs.path}' AS theirs; DELETE FROM entry; INSERT INTO entry SELECT * FROM theirs.entry`,
  )
  await assert.rejects(ours.open(), { code: 'journal_corrupt' })
})

test('a trimmed journal is still verified from its first entry on', async (t) => {
  const { path, open, fill, write } = setup(t)
  fill(5)
  const journal = await open()
  journal.trim(3)
  await journal.close()
  write("UPDATE entry SET payload = 'x' WHERE sequence = 4")
  await assert.rejects(open(), { code: 'journal_corrupt', details: { file: path, sequence: 4 } })
})

test('what is not a journal is refused and left as it is', async (t) => {
  const { path, open, fill } = setup(t)
  writeFileSync(path, 'not a database, and long enough to have a header of a hundred bytes '.repeat(99))
  await assert.rejects(open(), { code: 'journal_corrupt', message: new RegExp(`${path} is damaged`) })
  rmSync(path)
  new DatabaseSync(path).exec('CREATE TABLE poem (line TEXT)')
  await assert.rejects(open(), { code: 'journal_corrupt', message: /is not a journal of Shoal/ })
  rmSync(path)
  fill(5)
})

test('a file whose header names a format that SQLite does not know is damaged', async (t) => {
  const { path, open, fill } = setup(t)
  fill(5)
  const harmed = readFileSync(path)
  // The schema's format: https://www.sqlite.org/fileformat.html#the_database_header
  harmed.writeUInt32BE(99, 44)
  writeFileSync(path, harmed)
  await assert.rejects(open(), { code: 'journal_corrupt', message: /is damaged in its header/ })
})

test('a file cut off in the middle is damaged', async (t) => {
  const { path, open, fill } = setup(t)
  fill(3_000)
  truncateSync(path, Math.floor(statSync(path).size / 2))
  await assert.rejects(open(), { code: 'journal_corrupt' })
})

test('a log without its file is kept and reported, not deleted', async (t) => {
  const { path, open, fill } = setup(t)
  fill(5)
  const journal = await open()
  await appended(journal, ['in the log'])
  copyFileSync(`${path}-wal`, `${path}-copy`)
  await journal.close()
  rmSync(path)
  copyFileSync(`${path}-copy`, `${path}-wal`)
  await assert.rejects(open(), { code: 'journal_corrupt', message: /is missing or empty, but its log/ })
  assert.ok(existsSync(`${path}-wal`))
})

test('a journal of a newer version is refused by name', async (t) => {
  const { path, open, fill, write } = setup(t)
  fill(5)
  write('PRAGMA user_version = 2')
  await assert.rejects(open(), {
    code: 'journal_newer',
    message: `${path} was written by a newer Shoal, in journal format 2; this one reads up to format 1. Update Shoal.`,
  })
})

test('the death of the thread fails what waits and what follows, and loses nothing acknowledged', async (t) => {
  const { open } = setup(t)
  const started = once(process, 'worker')
  const journal = await open()
  const [worker] = (await started) as [Worker]
  await appended(journal, ['kept', ...Array.from({ length: 100 }, () => 'x'.repeat(1_000_000))])
  // The thread takes its orders in turn: this first one keeps it busy until it is ended.
  const reading = assert.rejects(journal.read(1, 101), { code: 'internal' })
  const waiting = appended(journal, ['lost?'])
  const dying = worker.terminate()
  await assert.rejects(waiting, { code: 'internal', message: /The journal's thread ended unexpectedly/ })
  await reading
  await dying
  await assert.rejects(appended(journal, ['later']), { code: 'internal' })
  await assert.rejects(journal.read(1, 9), { code: 'internal' })
  await journal.close()
  assert.equal((await (await open()).read(1, 1))[0]?.payload, 'kept')
})

test('a failed open leaves no lock and no thread behind', async (t) => {
  const { path, open } = setup(t)
  writeFileSync(path, 'garbage'.repeat(999))
  await assert.rejects(open())
  rmSync(path)
  assert.equal((await open()).epoch, 1)
})

test('the log is moved into the file as it grows', async (t) => {
  const { path, open } = setup(t)
  const journal = await open()
  const group = Array.from({ length: 1_000 }, () => 'x'.repeat(1_000))
  for (let index = 0; index < 40; index++) await appended(journal, group)
  assert.ok(statSync(path).size > 20_000_000)
  assert.ok(statSync(`${path}-wal`).size < 20_000_000)
})

function setup(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-journal-'))
  const path = join(folder, 'ledger.db')
  const journals = createSqliteJournals(folder)
  const opened: Journal[] = []
  t.after(async () => {
    for (const journal of opened) await journal.close()
    rmSync(folder, { recursive: true })
  })
  const open = async (): Promise<Journal> => {
    const journal = await journals.open('ledger')
    opened.push(journal)
    return journal
  }
  return {
    path,
    open,
    /** Appends `count` entries and closes, so that all of them are in the file itself. */
    fill(count: number) {
      const store = new JournalStore(path)
      store.append(Array.from({ length: count }, (_, index) => payloadOf(index + 1)))
      store.close()
    },
    /** Changes the file behind the journal's back. */
    write(sql: string) {
      const database = new DatabaseSync(path)
      database.exec(sql)
      database.close()
    },
    /** Flips the lowest bit of the last byte of `text`, wherever it stands in the file. */
    flip(text: string) {
      const bytes = readFileSync(path)
      const at = bytes.indexOf(text)
      assert.ok(at > 0 && bytes.indexOf(text, at + 1) === -1, 'the text stands in the file once')
      const last = at + text.length - 1
      bytes.writeUInt8(bytes.readUInt8(last) ^ 1, last)
      writeFileSync(path, bytes)
    },
  }
}

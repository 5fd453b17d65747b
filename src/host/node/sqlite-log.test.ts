import assert from 'node:assert/strict'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { isLogDamaged } from './sqlite-log.ts'

const HEADER_BYTES = 32
const FRAME_BYTES = 24 + 4_096

test('a torn end over what an older torn end left is what a crash leaves, and no damage', (t) => {
  const { log, framesBefore, rows } = setup(t)
  const bytes = readFileSync(log)
  const frames = framesWithin(bytes)
  // The first frame of the last transaction kept its head and lost its page; its commit is whole.
  const torn = HEADER_BYTES + framesBefore * FRAME_BYTES
  bytes.fill(0xee, torn + 24 + 512, torn + FRAME_BYTES)
  writeFileSync(log, bytes)
  assert.ok(frames > framesBefore + 4, 'what the older crash left stands behind it')
  assert.equal(isLogDamaged(log), false)
  assert.deepEqual(rows(), ['kept', 'after the crash'])
})

test('a wrong frame before what was durable is damage, whatever an older torn end left behind', (t) => {
  const { log, framesKept } = setup(t)
  const bytes = readFileSync(log)
  const rotten = HEADER_BYTES + (framesKept - 1) * FRAME_BYTES + 100
  bytes.writeUInt8(bytes.readUInt8(rotten) ^ 1, rotten)
  writeFileSync(log, bytes)
  assert.equal(isLogDamaged(log), true)
})

const framesWithin = (log: Buffer): number => Math.floor((log.length - HEADER_BYTES) / FRAME_BYTES)

/**
 * A log whose last two transactions were written over what was left of one that a crash ended: the first brings a row, the
 * second another and many pages.
 */
function setup(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-log-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const [crashed, written] = [join(folder, 'crashed.db'), join(folder, 'written.db')]
  const framesIn = (path: string): number => framesWithin(readFileSync(`${path}-wal`))
  const insert = 'INSERT INTO row (text, filler) VALUES (?, ?)'

  const first = open(crashed)
  first.exec('CREATE TABLE row (text TEXT, filler TEXT)')
  first.prepare(insert).run('kept', '')
  const framesKept = framesIn(crashed)
  first.exec('PRAGMA cache_size = 1; BEGIN')
  for (let count = 0; count < 60; count++) first.prepare(insert).run('lost', 'x'.repeat(3_000))
  copy(crashed, written)
  first.close()
  assert.ok(framesIn(written) > framesKept + 20, 'the crash left frames without a commit')

  const second = open(written)
  second.prepare(insert).run('after the crash', '')
  const framesBefore = lastCommit(written)
  second.prepare(insert).run('torn', 'x'.repeat(6_000))
  const end = lastCommit(written)
  assert.ok(end >= framesBefore + 2, 'the last transaction has several frames')
  const path = join(folder, 'journal.db')
  copy(written, path)
  second.close()
  return {
    log: `${path}-wal`,
    framesKept,
    framesBefore,
    rows(): unknown[] {
      const database = open(path)
      const found = database.prepare('SELECT text FROM row').all()
      database.close()
      return found.map(({ text }) => text)
    },
  }
}

function open(path: string): DatabaseSync {
  const database = new DatabaseSync(path)
  database.exec('PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = FULL')
  return database
}

function copy(from: string, to: string): void {
  for (const end of ['', '-wal']) copyFileSync(`${from}${end}`, `${to}${end}`)
}

/** How many frames there are up to the newest commit. */
function lastCommit(path: string): number {
  const log = readFileSync(`${path}-wal`)
  const frames = Array.from({ length: framesWithin(log) }, (_, index) => HEADER_BYTES + index * FRAME_BYTES)
  return frames.findLastIndex((at) => log.readUInt32BE(at + 4) !== 0) + 1
}

/** What becomes of a journal on SQLite whose files are harmed: all of it is there, or it is refused by name. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { createRandom, type Random } from '#kernel/random.ts'
import { Problem } from '#protocol/problem.ts'
import { failingSyncEnv } from './failing-sync.ts'
import { payloadOf } from './journal-child.ts'
import { JournalStore } from './sqlite-journal-store.ts'

const GROUPS = 40
const ROUNDS = 150
const GROUP_SIZE = 3
/** What a wrong frame in the newest groups cannot be told from: a crash that came before they were durable. */
const GROUPS_IN_DOUBT = 2

test('a bit flipped anywhere in the log: all is there, or it is refused; only the newest groups may be in doubt', (t) => {
  const random = createRandom(1)
  const { copy, log } = setup(t)
  const seen = { whole: 0, refused: 0, inDoubt: 0 }
  for (let round = 0; round < ROUNDS; round++) {
    const found = openHarmed(copy(), (path) => flipBit(`${path}-wal`, random, log.length))
    if (found === 'refused') seen.refused++
    else if (found === GROUPS) seen.whole++
    else {
      assert.ok(found >= GROUPS - GROUPS_IN_DOUBT, `${GROUPS - found} groups are gone without a word`)
      seen.inDoubt++
    }
  }
  assert.ok(seen.refused > ROUNDS / 2, JSON.stringify(seen))
})

test('a bit flipped anywhere in the file: all is there, or it is refused', (t) => {
  const random = createRandom(2)
  const { copy, moveLogIntoFile } = setup(t)
  moveLogIntoFile('TRUNCATE')
  const seen = { whole: 0, refused: 0 }
  for (let round = 0; round < ROUNDS; round++) {
    const path = copy()
    const found = openHarmed(path, () => flipBit(path, random, readFileSync(path).length))
    if (found === 'refused') seen.refused++
    else {
      assert.equal(found, GROUPS)
      seen.whole++
    }
  }
  assert.ok(seen.refused > ROUNDS / 4 && seen.whole > 0, JSON.stringify(seen))
})

test('a log that a crash cut off or left half-written ends with a whole group', (t) => {
  const random = createRandom(3)
  const { copy, log } = setup(t)
  for (let round = 0; round < 50; round++) {
    const length = random.int(log.length + 1)
    const found = openHarmed(copy(), (path) => truncateSync(`${path}-wal`, length))
    assert.ok(found !== 'refused' && found <= GROUPS, String(found))
  }
  for (let round = 0; round < 50; round++) {
    // The last frames were not synced: any of them may be old bytes, or half of each.
    const found = openHarmed(copy(), (path) => {
      const bytes = readFileSync(`${path}-wal`)
      bytes.fill(0, bytes.length - 1 - random.int(4_000), bytes.length - random.int(200))
      writeFileSync(`${path}-wal`, bytes)
    })
    assert.ok(found !== 'refused' && found >= GROUPS - 1, String(found))
  }
})

test('a log that begins anew over an older one is taken as it is', (t) => {
  const { path, store, copy, moveLogIntoFile } = setup(t)
  const before = readFileSync(`${path}-wal`).length
  moveLogIntoFile('RESTART')
  append(store, GROUPS)
  assert.equal(readFileSync(`${path}-wal`).length, before, 'what was there before is still behind it')
  assert.equal(
    openHarmed(copy(), () => {}),
    GROUPS + 1,
  )
})

test('a sync that fails is said, nothing is written after it, and nothing acknowledged is lost', (t) => {
  const { folder } = setup(t)
  const env = failingSyncEnv(folder, 25)
  if (typeof env === 'string') return t.skip(env)
  const child = join(import.meta.dirname, 'journal-child.ts')
  const own = join(folder, 'own')
  const run = spawnSync(process.execPath, [child, 'serial', own, '9999'], { env, timeout: 120_000 })
  assert.match(String(run.stderr), /AssertionError: entry \d+ failed: The disk failed at .*ledger\.db/)
  const acknowledged = Number(/acknowledged (\d+)\n$/.exec(String(run.stdout))?.[1])
  assert.ok(acknowledged > 0, String(run.stdout))
  const groups = openHarmed(join(own, 'ledger.db'), () => {})
  assert.ok(
    groups !== 'refused' && groups * GROUP_SIZE >= acknowledged,
    `${groups} groups, ${acknowledged} entries`,
  )
})

/** How many whole groups the journal at `path` has once it was harmed; every entry that is there is the right one. */
function openHarmed(path: string, harm: (path: string) => void): number | 'refused' {
  harm(path)
  let store: JournalStore | null = null
  try {
    store = new JournalStore(path)
    const { lastSequence } = store
    const { payloads } = store.read(1, lastSequence)
    assert.deepEqual(
      payloads,
      Array.from({ length: lastSequence }, (_, index) => payloadOf(index + 1)),
    )
    assert.equal(lastSequence % GROUP_SIZE, 0, 'no part of a group is there')
    return lastSequence / GROUP_SIZE
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    assert.equal(error.code, 'journal_corrupt', error.message)
    return 'refused'
  } finally {
    store?.close()
  }
}

function flipBit(path: string, random: Random, length: number): void {
  const bytes = readFileSync(path)
  const at = random.int(length)
  bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << random.int(8)), at)
  writeFileSync(path, bytes)
}

function append(store: JournalStore, group: number): void {
  const first = group * GROUP_SIZE + 1
  store.append(Array.from({ length: GROUP_SIZE }, (_, index) => payloadOf(first + index)))
}

/** A journal of `GROUPS` groups, all of them in its log, as after a kill. */
function setup(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-journal-'))
  const path = join(folder, 'ledger.db')
  const store = new JournalStore(path)
  t.after(() => {
    store.close()
    rmSync(folder, { recursive: true })
  })
  for (let group = 0; group < GROUPS; group++) append(store, group)
  let copies = 0
  return {
    folder,
    path,
    store,
    log: readFileSync(`${path}-wal`),
    copy(): string {
      const to = join(folder, `copy-${copies++}.db`)
      copyFileSync(path, to)
      if (existsSync(`${path}-wal`)) copyFileSync(`${path}-wal`, `${to}-wal`)
      return to
    },
    moveLogIntoFile(how: 'TRUNCATE' | 'RESTART'): void {
      const database = new DatabaseSync(path)
      database.exec(`PRAGMA wal_checkpoint(${how})`)
      database.close()
    },
  }
}

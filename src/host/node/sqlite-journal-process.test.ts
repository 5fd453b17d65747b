import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import type { Journal } from '#host/host.ts'
import { createRandom } from '#kernel/random.ts'
import type { Problem } from '#protocol/problem.ts'
import { payloadOf } from './journal-child.ts'
import { appended } from './journal-contract.ts'
import { mountSmallDisk, type SmallDisk } from './small-disk.ts'
import { createSqliteJournals } from './sqlite-journal.ts'

test('killed at any moment, the journal holds every acknowledged entry, unbroken', async (t) => {
  const { folder, start } = setup(t)
  const random = createRandom(7)
  let acknowledged = 0
  for (let round = 0; round < 6; round++) {
    acknowledged = await killAfter(start('flood', folder), 20 + random.int(400), acknowledged)
    const journal = await createSqliteJournals(folder).open('ledger')
    assert.ok(journal.lastSequence >= acknowledged, `${journal.lastSequence} < ${acknowledged}`)
    await assertUnbroken(journal)
    await journal.close()
  }
})

test('a second process is refused, and let in once the first is killed', async (t) => {
  const { folder, start } = setup(t)
  const { child, lines } = start('hold', folder)
  await lines.next()
  const journals = createSqliteJournals(folder)
  await assert.rejects(journals.open('ledger'), {
    code: 'folder_in_use',
    message: new RegExp(`ledger\\.db is in use by shoal \\(process ${child.pid}, since .*\\)\\. Stop it`),
  })
  await (await journals.open('other')).close()
  await kill(child)
  await (await journals.open('ledger')).close()
})

test('a journal left open and idle does not keep the process alive', (t) => {
  const { folder } = setup(t)
  const { status, stderr } = spawnSync(process.execPath, [CHILD, 'leave', folder], { timeout: 60_000 })
  assert.equal(status, 0, String(stderr))
})

test('every acknowledged group was synced before it was acknowledged', (t) => {
  const { folder } = setup(t)
  if (spawnSync('strace', ['-V']).error) return t.skip('strace is not installed')
  const groups = 20
  const tracePath = join(folder, 'trace')
  const options = ['-f', '-qq', '-y', '-e', 'trace=pwrite64,write,fdatasync,fsync', '-o', tracePath]
  const command = [process.execPath, CHILD, 'serial', folder, String(groups)]
  const { status, stderr } = spawnSync('strace', [...options, ...command], { timeout: 120_000 })
  if (String(stderr).includes('ptrace')) return t.skip(`tracing is not permitted here: ${stderr}`)
  assert.equal(status, 0, String(stderr))
  const acknowledgements = readTrace(readFileSync(tracePath, 'utf8'))
  assert.equal(acknowledgements.length, groups)
  for (const { writes, syncs, isSynced } of acknowledgements) {
    assert.ok(writes > 0 && syncs > 0 && isSynced, `${writes} writes, ${syncs} syncs, synced: ${isSynced}`)
  }
})

test('a full disk fails the append and all later ones, and loses nothing acknowledged', async (t) => {
  const { disk } = setupDisk(t, 1_024)
  if (!disk) return
  const journals = createSqliteJournals(disk.folder)
  const journal = await journals.open('ledger')
  const acknowledged = await appendUntilRefused(journal)
  await assert.rejects(appended(journal, ['later']), { code: 'disk_full' })
  await journal.close()

  disk.resize(8_192)
  const reopened = await journals.open('ledger')
  assert.equal(reopened.lastSequence, acknowledged)
  await assertUnbroken(reopened)
  await appended(reopened, [payloadOf(acknowledged + 1)])
  await reopened.close()
})

test('a disk that fails to write fails the append, and loses nothing acknowledged', async (t) => {
  const { folder } = setup(t)
  // Beyond this size of any one file the system refuses to write, as a broken disk would.
  const command = `ulimit -f 1024 && exec "$0" "$@"`
  const { stdout, stderr } = spawnSync(
    'sh',
    ['-c', command, process.execPath, CHILD, 'serial', folder, '9999'],
    {
      timeout: 120_000,
    },
  )
  assert.match(String(stderr), /AssertionError: entry \d+ failed: The disk failed at .*ledger\.db/)
  const acknowledged = Number(/acknowledged (\d+)\n$/.exec(String(stdout))?.[1])
  const journal = await createSqliteJournals(folder).open('ledger')
  assert.ok(acknowledged > 0 && journal.lastSequence >= acknowledged)
  await assertUnbroken(journal)
  await journal.close()
})

test('no journal is begun on a full disk', async (t) => {
  const { disk } = setupDisk(t, 256)
  if (!disk) return
  const folder = join(disk.folder, 'journals')
  mkdirSync(folder)
  assert.throws(() => writeFileSync(join(disk.folder, 'filler'), Buffer.alloc(300_000)), { code: 'ENOSPC' })
  const message = /^The disk is full: .* could not be written\. Free some space and start again/
  await assert.rejects(createSqliteJournals(folder).open('ledger'), { code: 'disk_full', message })
  rmSync(join(disk.folder, 'filler'))
  await (await createSqliteJournals(folder).open('ledger')).close()
})

test('a full disk refuses to reopen a journal and leaves it as it is', async (t) => {
  const { disk } = setupDisk(t, 256)
  if (!disk) return
  const journals = createSqliteJournals(disk.folder)
  const journal = await journals.open('ledger')
  await appended(journal, [payloadOf(1)])
  await journal.close()
  assert.throws(() => writeFileSync(join(disk.folder, 'filler'), Buffer.alloc(300_000)), { code: 'ENOSPC' })
  await assert.rejects(journals.open('ledger'), { code: 'disk_full' })
  rmSync(join(disk.folder, 'filler'))
  const reopened = await journals.open('ledger')
  await assertUnbroken(reopened)
  assert.equal(reopened.lastSequence, 1)
  await reopened.close()
})

test('a read-only folder is refused with the way out', async (t) => {
  const { folder } = setup(t)
  const { disk } = setupDisk(t, 1_024, { isOptional: true })
  // Root may write whatever a mode says, but not to a disk that is mounted read-only.
  if (disk) disk.protect()
  else if (process.getuid?.() === 0)
    return t.skip('root is bound by no mode, and mounting is not permitted here')
  else chmodSync(folder, 0o500)
  const place = disk?.folder ?? folder
  const message = new RegExp(
    `${place}.* cannot be written .*Make the folder writable for this user, or choose`,
  )
  await assert.rejects(createSqliteJournals(place).open('ledger'), { code: 'disk_read_only', message })
  await assert.rejects(createSqliteJournals(join(place, 'new')).open('ledger'), { code: 'disk_read_only' })
})

const CHILD = join(import.meta.dirname, 'journal-child.ts')

interface Running {
  readonly child: ChildProcess
  readonly lines: AsyncIterator<string>
}

/** Kills the child when it has said so many lines, and returns the highest number that it acknowledged. */
async function killAfter(running: Running, lineCount: number, acknowledged: number): Promise<number> {
  let highest = acknowledged
  let count = 0
  for (;;) {
    const { value, done } = await running.lines.next()
    if (done) break
    const [verb, sequence] = String(value).split(' ')
    // What it said just before its end counts too, unless the end cut the line: then it counts for less.
    if (verb === 'acknowledged') highest = Math.max(highest, Number(sequence))
    if (++count === lineCount) running.child.kill('SIGKILL')
  }
  assert.ok(count >= lineCount, `the child ended by itself after ${count} lines`)
  return highest
}

async function kill(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

async function assertUnbroken(journal: Journal): Promise<void> {
  let epoch = 1
  for (let sequence = 1; sequence <= journal.lastSequence; ) {
    const entries = await journal.read(sequence, 5_000)
    assert.ok(entries.length > 0, `nothing at ${sequence}`)
    for (const entry of entries) {
      assert.equal(entry.sequence, sequence++)
      assert.equal(entry.payload, payloadOf(entry.sequence))
      assert.ok(entry.epoch >= epoch && entry.epoch < journal.epoch + 1)
      epoch = entry.epoch
    }
  }
}

/** Appends until the disk is full. Resolves to the number of the last acknowledged entry. */
async function appendUntilRefused(journal: Journal): Promise<number> {
  for (;;) {
    const last = journal.lastSequence
    const problem = await appended(
      journal,
      Array.from({ length: 10 }, (_, index) => payloadOf(last + 1 + index)),
    ).then(
      () => null,
      (error: Problem) => error,
    )
    if (!problem) continue
    assert.equal(problem.code, 'disk_full', problem.message)
    return last
  }
}

/** What the system calls say of the log since the acknowledgement before, for each acknowledgement in order. */
function readTrace(trace: string): { writes: number; syncs: number; isSynced: boolean }[] {
  const acknowledgements: { writes: number; syncs: number; isSynced: boolean }[] = []
  let [writes, syncs, isSynced] = [0, 0, true]
  const syncing = new Set<string>()
  for (const line of trace.split('\n')) {
    const [, thread = '', call = ''] = /^(\d+)\s+(.*)$/.exec(line) ?? []
    if (/^pwrite64\(\d+<[^>]*ledger\.db-wal>/.test(call)) {
      writes++
      isSynced = false
    } else if (/^f(data)?sync\(\d+<[^>]*ledger\.db-wal>/.test(call)) {
      syncing.add(thread)
    } else if (/^write\(\d+<[^>]*>, "acknowledged /.test(call)) {
      acknowledgements.push({ writes, syncs, isSynced })
      ;[writes, syncs] = [0, 0]
    }
    if (syncing.has(thread) && /^(f(data)?sync\(|<\.\.\. f(data)?sync resumed>).*= 0$/.test(call)) {
      syncing.delete(thread)
      syncs++
      isSynced = true
    }
  }
  return acknowledgements
}

function setup(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-journal-'))
  const children: ChildProcess[] = []
  t.after(async () => {
    for (const child of children) if (child.exitCode === null && child.signalCode === null) await kill(child)
    chmodSync(folder, 0o700)
    rmSync(folder, { recursive: true })
  })
  return {
    folder,
    start(role: string, folder: string): Running {
      const child = spawn(process.execPath, [CHILD, role, folder], { stdio: ['pipe', 'pipe', 'inherit'] })
      children.push(child)
      return { child, lines: createInterface(child.stdout)[Symbol.asyncIterator]() }
    },
  }
}

/** Mounts a disk, or skips the test and says why. */
function setupDisk(t: TestContext, sizeKib: number, { isOptional = false } = {}): { disk: SmallDisk | null } {
  const disk = mountSmallDisk(sizeKib)
  if (typeof disk === 'string') {
    if (!isOptional) t.skip(disk)
    return { disk: null }
  }
  t.after(() => disk.dispose())
  return { disk }
}

/** Leaders and servers that die, and disks that are full: nothing acknowledged is lost. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import type { Journal } from '#host/host.ts'
import { createRandom } from '#kernel/random.ts'
import type { Problem } from '#protocol/problem.ts'
import { payloadOf } from './journal-child.ts'
import { appended } from './journal-contract.ts'
import { nodeClock } from './node-clock.ts'
import { createPostgresJournals } from './postgres-journal.ts'
import { openPostgresStore } from './postgres-store.ts'
import { mountSmallDisk } from './small-disk.ts'
import { postgresFor, skipWithoutPostgres, startPostgres, type TestPostgres } from './test-postgres.ts'

const isSkipped = skipWithoutPostgres('PostgreSQL failures')
const fact = (title: string, tell: (t: TestContext) => Promise<void>): void => {
  if (!isSkipped) test(title, tell)
}
const log = { info() {}, warn() {}, error() {} }

fact('a leader that is killed at any moment leaves every acknowledged entry, unbroken', async (t) => {
  const { url } = await postgresFor(t)
  const random = createRandom(7)
  let acknowledged = 0
  for (let round = 0; round < 5; round++) {
    acknowledged = await killAfter(startLeader(t, url), 20 + random.int(400), acknowledged)
    const journal = await journalsAt(url).open('ledger', { takeOver: true })
    assert.ok(journal.lastSequence >= acknowledged, `${journal.lastSequence} < ${acknowledged}`)
    await assertUnbroken(journal)
    await journal.close()
  }
})

fact('a leader that was stopped and wakes after the takeover writes nothing more', async (t) => {
  const { url } = await postgresFor(t)
  const { child, lines } = startLeader(t, url)
  for (let count = 0; count < 50; count++) await lines.next()
  child.kill('SIGSTOP')
  const journal = await journalsAt(url).open('ledger', { takeOver: true })
  const { lastSequence } = journal
  const ended = once(child, 'exit')
  child.kill('SIGCONT')
  let acknowledged = 0
  for await (const line of lines) acknowledged = Math.max(acknowledged, Number(line.split(' ')[1]) || 0)
  await ended
  assert.ok(acknowledged > 0 && acknowledged <= lastSequence, `${acknowledged} > ${lastSequence}`)
  await appended(journal, [payloadOf(lastSequence + 1)])
  await assertUnbroken(journal)
  await journal.close()
})

fact(
  'a server that is killed under load loses nothing acknowledged, and goes on when it is back',
  async (t) => {
    const server = await postgresFor(t)
    const random = createRandom(3)
    let acknowledged = 0
    for (let round = 0; round < 3; round++) {
      const journal = await journalsAt(server.url).open('ledger', { takeOver: true })
      const lost = new Promise<Problem>((resolve) => journal.onLost(resolve))
      const { problem, last } = await flood(journal, 200 + random.int(1_000), () => server.kill('SIGKILL'))
      acknowledged = Math.max(acknowledged, last)
      assert.equal(problem.code, 'database_unreachable')
      assert.match(
        problem.message,
        /^PostgreSQL at 127\.0\.0\.1:\d+\/postgres cannot be reached \(.*\)\. Nothing acknowledged is lost; it goes on when the server is back\.$/,
      )
      assert.equal((await lost).code, 'database_unreachable')
      await assert.rejects(appended(journal, ['later']), { code: 'database_unreachable' })
      await journal.close()
      await assert.rejects(journalsAt(server.url).open('ledger'), { code: 'database_unreachable' })

      await server.start()
      const reopened = await journalsAt(server.url).open('ledger', { takeOver: true })
      assert.ok(reopened.lastSequence >= acknowledged, `${reopened.lastSequence} < ${acknowledged}`)
      await assertUnbroken(reopened)
      await reopened.close()
    }
  },
)

fact(
  'an idle leader, a follower and a store notice, and the latter two go on when the server is back',
  async (t) => {
    const server = await postgresFor(t)
    const journals = journalsAt(server.url)
    const journal = await journals.open('ledger')
    const follower = await journals.follow('ledger')
    const store = openPostgresStore({ url: server.url, log })
    const one = { sql: 'select 1 as one', parameters: [] }
    await store.run([one])
    const lost = new Promise<Problem>((resolve) => journal.onLost(resolve))
    await server.kill('SIGKILL')
    assert.equal((await lost).code, 'database_unreachable')
    await assert.rejects(follower.head(), { code: 'database_unreachable' })
    await assert.rejects(store.run([one]), { code: 'unavailable' })
    await server.start()
    assert.equal((await follower.head()).epoch, 1)
    assert.deepEqual(await store.run([one]), [[{ one: 1 }]])
    await Promise.all([journal.close(), follower.close(), store.close()])
  },
)

fact('a server that is stopped in order lets its leader go, with the reason', async (t) => {
  const server = await postgresFor(t)
  const journal = await journalsAt(server.url).open('ledger')
  const lost = new Promise<Problem>((resolve) => journal.onLost(resolve))
  await server.kill('SIGINT')
  const problem = await lost
  assert.equal(problem.code, 'database_unreachable')
  await journal.close()
})

fact(
  'a full disk of the server fails the append and all later ones, and loses nothing acknowledged',
  async (t) => {
    const disk = mountSmallDisk(112 * 1_024)
    if (typeof disk === 'string') return t.skip(disk)
    const folder = join(disk.folder, 'server')
    mkdirSync(folder)
    chownSync(folder, 65_534, 65_534)
    const settings = { max_wal_size: '32MB', min_wal_size: '32MB' }
    let server: TestPostgres | null = null
    t.after(async () => {
      await server?.dispose()
      disk.dispose()
    })
    server = await startPostgres({ folder, settings })
    const journal = await journalsAt(server.url).open('ledger')
    const { problem, last } = await flood(journal, Number.POSITIVE_INFINITY, () => Promise.resolve())
    // A full disk for the log ends the whole server, one for the tables only the statement.
    assert.ok(['disk_full', 'database_unreachable'].includes(problem.code), problem.message)
    await assert.rejects(appended(journal, ['later']), { code: problem.code })
    await journal.close()
    // With its other processes: one that waits for the disk may not notice that its postmaster is gone.
    await server.kill('SIGQUIT')
    disk.resize(320 * 1_024)
    await server.start()
    const reopened = await journalsAt(server.url).open('ledger', { takeOver: true })
    assert.ok(last > 0 && reopened.lastSequence >= last, `${reopened.lastSequence} < ${last}`)
    await assertUnbroken(reopened)
    await appended(reopened, [payloadOf(reopened.lastSequence + 1)])
    await reopened.close()
  },
)

const CHILD = join(import.meta.dirname, 'journal-child.ts')
const GROUPS_IN_FLIGHT = 64

const journalsAt = (url: string) =>
  createPostgresJournals({ url, holder: `test ${process.pid}`, clock: nodeClock, log })

function startLeader(
  t: TestContext,
  url: string,
): { child: ChildProcess; lines: AsyncIterableIterator<string> } {
  const child = spawn(process.execPath, [CHILD, 'flood', url], { stdio: ['pipe', 'pipe', 'ignore'] })
  t.after(() => void child.kill('SIGKILL'))
  return { child, lines: createInterface(child.stdout)[Symbol.asyncIterator]() }
}

/** Kills the leader when it has said so many lines, and returns the highest number that it acknowledged. */
async function killAfter(
  { child, lines }: ReturnType<typeof startLeader>,
  lineCount: number,
  acknowledged: number,
): Promise<number> {
  let highest = acknowledged
  let count = 0
  for await (const line of lines) {
    const [verb, sequence] = line.split(' ')
    if (verb === 'acknowledged') highest = Math.max(highest, Number(sequence))
    if (++count === lineCount) child.kill('SIGKILL')
  }
  assert.ok(count >= lineCount, `the leader ended by itself after ${count} lines`)
  return highest
}

/** Appends until it fails, and runs `disturb` once `after` entries are acknowledged. */
function flood(
  journal: Journal,
  after: number,
  disturb: () => Promise<void>,
): Promise<{ problem: Problem; last: number }> {
  const startSequence = journal.lastSequence
  let last = startSequence
  let isDisturbed = false
  let disturbed: Promise<void> = Promise.resolve()
  return new Promise((resolve) => {
    const append = (size: number): void => {
      const payloads = Array.from({ length: size }, (_, index) => payloadOf(journal.lastSequence + 1 + index))
      const sequence = journal.lastSequence + size
      journal.append(payloads, (problem) => {
        if (problem) return void disturbed.then(() => resolve({ problem, last }))
        last = sequence
        if (!isDisturbed && last - startSequence >= after) {
          isDisturbed = true
          disturbed = disturb()
        }
        append((size % 5) + 1)
      })
    }
    for (let index = 0; index < GROUPS_IN_FLIGHT; index++) append((index % 5) + 1)
  })
}

async function assertUnbroken(journal: Journal): Promise<void> {
  let epoch = 1
  for (let sequence = 1; sequence <= journal.lastSequence; ) {
    const entries = await journal.read(sequence, 5_000)
    assert.ok(entries.length > 0, `nothing at ${sequence}`)
    for (const entry of entries) {
      assert.equal(entry.sequence, sequence++)
      assert.equal(entry.payload, payloadOf(entry.sequence))
      assert.ok(entry.epoch >= epoch && entry.epoch <= journal.epoch)
      epoch = entry.epoch
    }
  }
}

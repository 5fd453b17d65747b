/** What docs/operating/postgresql.md says of backups and of going back to a moment, done. */
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Journal } from '#host/host.ts'
import { payloadOf } from './journal-child.ts'
import { appended } from './journal-contract.ts'
import { nodeClock } from './node-clock.ts'
import { createPostgresJournals } from './postgres-journal.ts'
import { makeFolder, postgresFor, skipWithoutPostgres, type TestPostgres } from './test-postgres.ts'

const log = { info() {}, warn() {}, error() {} }
const GROUP = 50

if (!skipWithoutPostgres('PostgreSQL backup')) {
  test('a base backup under load and the archived log restore the journal to a moment', async (t) => {
    const archive = makeFolder('shoal-archive-')
    t.after(() => rmSync(archive, { recursive: true }))
    const server = await postgresFor(t, {
      settings: {
        archive_mode: 'on',
        archive_command: `test ! -f ${archive}/%f && cp %p ${archive}/%f`,
        wal_level: 'replica',
      },
    })
    const journal = await open(server)
    await write(journal, 20)

    const writing = writeOn(journal)
    const folder = makeFolder('shoal-postgres-')
    const from = ['-h', '127.0.0.1', '-p', String(server.port), '-U', 'shoal']
    server.program('pg_basebackup', [...from, '-D', join(folder, 'data'), '-c', 'fast', '-X', 'stream'])
    await writing.stop()

    await write(journal, 20)
    const good = journal.lastSequence
    const moment = server.sql('select clock_timestamp()')
    await write(journal, 20)
    const bad = journal.lastSequence
    await journal.close()
    server.sql('select pg_switch_wal()')
    await archived(server)
    await server.kill('SIGQUIT')

    writeFileSync(join(folder, 'data', 'recovery.signal'), '')
    const restored = await postgresFor(t, {
      folder,
      settings: {
        restore_command: `cp ${archive}/%f %p`,
        recovery_target_time: moment,
        recovery_target_action: 'promote',
        archive_mode: 'off',
      },
    })
    await promoted(restored)
    const again = await open(restored)
    assert.equal(again.id, journal.id)
    assert.equal(again.lastSequence, good)
    assert.ok(again.lastSequence < bad)
    await assertUnbroken(again)
    await appended(again, [payloadOf(good + 1)])
    await assertUnbroken(again)
    await again.close()
  })
}

/** Whoever led before is dead: its lease is not waited for. */
const open = ({ url }: TestPostgres): Promise<Journal> =>
  createPostgresJournals({ url, holder: 'test', clock: nodeClock, log }).open('journal', { takeOver: true })

async function write(journal: Journal, groups: number): Promise<void> {
  for (let group = 0; group < groups; group++) {
    const from = journal.lastSequence + 1
    await appended(
      journal,
      Array.from({ length: GROUP }, (_, index) => payloadOf(from + index)),
    )
  }
}

/** Goes on writing until it is stopped. */
function writeOn(journal: Journal): { stop(): Promise<void> } {
  let isStopped = false
  const writing = (async () => {
    while (!isStopped) await write(journal, 1)
  })()
  return {
    stop() {
      isStopped = true
      return writing
    },
  }
}

/** The server archives on its own time; its view tells. */
async function archived({ sql }: TestPostgres): Promise<void> {
  const isDone = (): boolean =>
    sql(`select last_archived_wal >= pg_walfile_name(pg_current_wal_lsn() - 1) from pg_stat_archiver`) === 't'
  while (!isDone()) await new Promise((resolve) => setTimeout(resolve, 50))
}

async function promoted({ sql }: TestPostgres): Promise<void> {
  while (sql('select pg_is_in_recovery()') === 't') await new Promise((resolve) => setTimeout(resolve, 50))
}

async function assertUnbroken(journal: Journal): Promise<void> {
  for (let next = 1; next <= journal.lastSequence; ) {
    for (const entry of await journal.read(next, 1_000)) assert.equal(entry.payload, payloadOf(next++))
  }
}

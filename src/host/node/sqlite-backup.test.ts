/** What docs/operating/backup.md says of a journal that is being written, done. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { payloadOf } from './journal-child.ts'
import { createSqliteJournals } from './sqlite-journal.ts'

const CHILD = join(import.meta.dirname, 'journal-child.ts')

test('a backup taken under load restores to one moment, with all that was acknowledged before it began', async (t) => {
  if (spawnSync('sqlite3', ['--version']).error) return t.skip('sqlite3 is not installed')
  const root = mkdtempSync(join(tmpdir(), 'shoal-backup-'))
  t.after(() => rmSync(root, { recursive: true }))
  const [folder, restored] = [join(root, 'journals'), join(root, 'restored')]
  const writer = spawn(process.execPath, [CHILD, 'flood', folder], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => void writer.kill('SIGKILL'))
  let acknowledged = 0
  let before = 0
  for await (const line of createInterface(writer.stdout)) {
    acknowledged = Math.max(acknowledged, Number(line.split(' ')[1]) || 0)
    if (acknowledged < 5_000 || before > 0) continue
    before = acknowledged
    mkdirSync(restored)
    const command = `VACUUM INTO '${join(restored, 'ledger.db')}'`
    // Blocks this process, not the writer.
    const { status, stderr } = spawnSync('sqlite3', [join(folder, 'ledger.db'), command], {
      encoding: 'utf8',
    })
    assert.equal(status, 0, stderr)
    writer.kill('SIGKILL')
  }

  const journal = await createSqliteJournals(restored).open('ledger')
  assert.ok(journal.lastSequence >= before, `${journal.lastSequence} < ${before}`)
  for (let next = 1; next <= journal.lastSequence; ) {
    for (const entry of await journal.read(next, 1_000)) assert.equal(entry.payload, payloadOf(next++))
  }
  await journal.close()
  // The writer went on meanwhile: the copy is a moment of it, not its end.
  const original = await createSqliteJournals(folder).open('ledger')
  assert.equal(original.id, journal.id)
  assert.ok(original.lastSequence >= journal.lastSequence)
  await original.close()
})

/**
 * A process for tests to kill, trace and lock out: `node journal-child.ts <role> <folder or database> [count]`.
 * What it says leaves in one write each, so that a reader never sees what did not happen yet.
 */
import { writeSync } from 'node:fs'
import type { Journal } from '#host/host.ts'
import { assert } from '#kernel/assert.ts'
import { lockFolder } from './folder-lock.ts'
import { nodeClock } from './node-clock.ts'
import { createPostgresJournals } from './postgres-journal.ts'
import { isPostgresUrl } from './postgres-target.ts'
import { createSqliteJournals } from './sqlite-journal.ts'

const GROUPS_IN_FLIGHT = 64

/** What the entry of that number holds, whoever wrote it. */
export const payloadOf = (sequence: number): string => `<entry ${sequence}>`.padEnd(200, '.')

if (import.meta.main) {
  const [role = '', folder = '', count = '0'] = process.argv.slice(2)
  if (role === 'lock') lock(folder)
  else await useJournal(role, folder, Number(count))
}

function lock(folder: string): void {
  lockFolder(folder, 'shoal up')
  say('locked')
  process.stdin.resume()
}

async function useJournal(role: string, folder: string, count: number): Promise<void> {
  const journal = await openIn(folder)
  if (role === 'flood') flood(journal)
  else if (role === 'serial') serial(journal, count)
  else if (role === 'hold') process.stdin.resume()
  else assert(role === 'leave', `unknown role: ${role}`)
  say('open')
}

/** On a server, whoever started this process says that the one before is dead. */
function openIn(folder: string): Promise<Journal> {
  if (!isPostgresUrl(folder)) return createSqliteJournals(folder).open('ledger')
  const log = { info() {}, warn() {}, error() {} }
  const journals = createPostgresJournals({
    url: folder,
    holder: `child ${process.pid}`,
    clock: nodeClock,
    log,
  })
  return journals.open('ledger', { takeOver: true })
}

/** Appends groups of 1 to 5 for ever. */
function flood(journal: Journal): void {
  const next = (size: number): void => append(journal, size, () => next((size % 5) + 1))
  for (let index = 0; index < GROUPS_IN_FLIGHT; index++) next((index % 5) + 1)
}

/** Appends `count` groups of 3, each when the one before is durable, and ends. */
function serial(journal: Journal, count: number): void {
  if (count > 0) append(journal, 3, () => serial(journal, count - 1))
  else void journal.close()
}

/** Appends the next `size` entries and says the last one's number once it is durable. */
function append(journal: Journal, size: number, done: () => void): void {
  const payloads = Array.from({ length: size }, (_, index) => payloadOf(journal.lastSequence + 1 + index))
  const sequence = journal.lastSequence + size
  journal.append(payloads, (problem) => {
    assert(problem === null, `entry ${sequence} failed: ${problem?.message}`)
    say(`acknowledged ${sequence}`)
    done()
  })
}

/** A pipe from its parent does not block: while it is full, this process waits as it would on one that does. */
function say(line: string): void {
  for (;;) {
    try {
      writeSync(1, `${line}\n`)
      return
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
    }
  }
}

import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, type TestContext, test } from 'node:test'
import { createProgram, runProgram } from '#cli/program.ts'
import { createStubTerminal } from '#cli/stub-context.ts'
import { formatState } from '#coordinator/coordinator-state.ts'
import { journalledHistory } from '#coordinator/read-models/journalled-history.ts'
import { busyTurns } from '#coordinator/read-models/test-turns.ts'
import { appended } from '#host/node/journal-contract.ts'
import { nodeClock } from '#host/node/node-clock.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { createPostgresJournals } from '#host/node/postgres-journal.ts'
import { createSqliteJournals } from '#host/node/sqlite-journal.ts'
import { postgresMissing, startPostgres, type TestPostgres } from '#host/node/test-postgres.ts'
import { journalCommand } from './journal-command.ts'

const history = journalledHistory(busyTurns)
const COUNT = history.payloads.length
const digest = Buffer.from(nodeCrypto.sha256(formatState(history.state))).toString('hex')
let server: TestPostgres | null = null
after(() => server?.dispose())

test('a journal is verified, and the state that it comes to told', async (t) => {
  const { network, run, json } = setup(t)
  const folder = await network('one')
  const facts = await json('--data', folder, 'journal', 'verify')
  assert.equal(facts.entries, COUNT)
  assert.equal(facts.stateDigest, digest)
  assert.equal(facts.epochs, 2)
  const { out } = await run('--data', folder, 'journal', 'verify')
  assert.match(out, /^The journal of .*one\/journals\/journal\.db is whole\.\n/)
  assert.ok(out.includes(digest))
  // Looking takes no epoch.
  assert.equal((await json('--data', folder, 'journal', 'verify')).epoch, facts.epoch)
})

test('an exported journal is the same wherever it is imported', async (t) => {
  const { network, path, json, run, database } = setup(t)
  const folder = await network('one')
  const first = path('first.jsonl')
  const exported = await json('--data', folder, 'journal', 'export', first)
  assert.equal(exported.entries, COUNT)
  assert.equal((await run('--data', folder, 'journal', 'export', '-')).out, readFileSync(first, 'utf8'))

  await json('--data', path('two'), 'journal', 'import', first)
  assert.equal((await json('--data', path('two'), 'journal', 'verify')).stateDigest, digest)
  const again = path('again.jsonl')
  await json('--data', path('two'), 'journal', 'export', again)
  assert.deepEqual(readFileSync(again), readFileSync(first))
  const journal = await createSqliteJournals(join(path('two'), 'journals')).open('journal')
  assert.equal(journal.id, exported.id)
  assert.equal(journal.lastSequence, COUNT)
  await appended(journal, ['it goes on'])
  await journal.close()

  if (postgresMissing) return t.skip(postgresMissing)
  const url = await database()
  await json('journal', 'import', first, '--database', url)
  assert.equal((await json('journal', 'verify', '--database', url)).stateDigest, digest)
  const fromServer = path('from-server.jsonl')
  await json('journal', 'export', fromServer, '--database', url)
  assert.deepEqual(readFileSync(fromServer), readFileSync(first))
  const log = { info() {}, warn() {}, error() {} }
  const journals = createPostgresJournals({ url, holder: 'test', clock: nodeClock, log })
  const led = await journals.open('journal')
  assert.equal(led.id, exported.id)
  await appended(led, ['it goes on'])
  // Who only looks need not wait for the leader.
  assert.equal((await run('journal', 'export', path('meanwhile.jsonl'), '--database', url)).exitCode, 0)
  await led.close()
})

test('no journal is written over, and none that runs is touched', async (t) => {
  const { network, path, json, run, database } = setup(t)
  const folder = await network('one')
  const file = path('one.jsonl')
  await json('--data', folder, 'journal', 'export', file)
  const twice = await run('--data', folder, 'journal', 'export', file)
  assert.deepEqual([twice.exitCode, /is there already/.test(twice.err)], [1, true])
  const over = await run('--data', folder, 'journal', 'import', file)
  assert.match(
    over.err,
    new RegExp(`has a journal of ${COUNT} entries already\\. Import into an empty place`),
  )
  const running = await createSqliteJournals(join(folder, 'journals')).open('journal')
  for (const verb of [['verify'], ['export', path('x')], ['import', file]]) {
    const { exitCode, err } = await run('--data', folder, 'journal', ...verb)
    assert.deepEqual([exitCode, /is in use by shoal/.test(err)], [8, true], err)
  }
  await running.close()
  assert.equal((await json('--data', folder, 'journal', 'verify')).stateDigest, digest)

  if (postgresMissing) return t.skip(postgresMissing)
  const url = await database()
  const log = { info() {}, warn() {}, error() {} }
  const journals = createPostgresJournals({ url, holder: 'leader', clock: nodeClock, log })
  const led = await journals.open('journal')
  const held = await run('journal', 'import', file, '--database', url)
  assert.deepEqual([held.exitCode, /leader leads the journal/.test(held.err)], [7, true], held.err)
  await led.close()
  // One that somebody only made, and never wrote to, is no loss.
  await json('journal', 'import', file, '--database', url)
  const full = await run('journal', 'import', file, '--database', url)
  assert.match(full.err, /has a journal of \d+ entries already/)
})

const harms: readonly [what: string, harm: (lines: string[]) => string[], says: RegExp][] = [
  ['nothing in it', () => [], /does not begin with the header/],
  ['something else in it', () => ['PNG'], /does not begin with the header/],
  ['no end', (lines) => lines.slice(0, -1), new RegExp(`ends at entry ${COUNT - 1} of ${COUNT}`)],
  ['half a line', (lines) => [...lines.slice(0, -1), (lines.at(-1) ?? '').slice(0, 20)], /is no entry/],
  ['an entry too few', (lines) => lines.toSpliced(5, 1), /entry 5 is missing: 6 stands in its place/],
  ['an entry twice', (lines) => lines.toSpliced(5, 0, lines[5] ?? ''), /entry 6 is missing: 5 stands/],
  ['an entry too many', (lines) => [...lines, '{"sequence":99,"epoch":1,"payload":""}'], /is missing: 99/],
  [
    'a changed entry',
    (lines) => lines.with(3, (lines[3] ?? '').replace('org-', 'orz-')),
    /its checksum is not/,
  ],
  [
    'an older epoch',
    (lines) => lines.with(-1, (lines.at(-1) ?? '').replace(/"epoch":\d+/, '"epoch":1')),
    /is of epoch 1/,
  ],
  [
    'another id',
    (lines) => lines.with(0, (lines[0] ?? '').replace(/"anchor":"./, '"anchor":"_')),
    /its checksum is not/,
  ],
]
for (const [what, harm, says] of harms) {
  test(`an exported journal with ${what} is refused, and leaves nothing behind`, async (t) => {
    const { network, path, json, run } = setup(t)
    const file = path('harmed.jsonl')
    await json('--data', await network('one'), 'journal', 'export', file)
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
    writeFileSync(file, harm(lines).join('\n'))
    const { exitCode, err } = await run('--data', path('two'), 'journal', 'import', file)
    assert.equal(exitCode, 8, err)
    assert.match(err, says)
    const left = existsSync(path('two/journals')) ? readdirSync(path('two/journals')) : []
    assert.deepEqual(
      left.filter((name) => name.startsWith('journal.db')),
      [],
    )
  })
}

test('an export of a newer version is refused by name', async (t) => {
  const { network, path, json, run } = setup(t)
  const file = path('newer.jsonl')
  await json('--data', await network('one'), 'journal', 'export', file)
  writeFileSync(file, readFileSync(file, 'utf8').replace('"version":1', '"version":2'))
  const { err } = await run('--data', path('two'), 'journal', 'import', file)
  assert.match(err, /exported by a newer Shoal, in version 2; this one reads up to 1\. Update Shoal/)
})

const records: readonly [what: string, payload: string, says: RegExp][] = [
  ['no JSON', '{"version":', /entry \d+ cannot be read/],
  ['a newer version', '{"version":2,"atMs":1,"events":[]}', /an entry of version 2.*Update Shoal/],
  [
    'an unknown event',
    '{"version":1,"atMs":1,"events":[{"type":"ledger.minted"}]}',
    /an event of type ledger\.minted/,
  ],
  [
    'an event that nothing came before',
    '{"version":1,"atMs":1,"events":[{"type":"ledger.hold_released","holdId":"none","amount":"1"}]}',
    /entry \d+ contradicts what was before/,
  ],
]
for (const [what, payload, says] of records) {
  test(`a journal with ${what} in it is not whole`, async (t) => {
    const { network, run } = setup(t)
    const folder = await network('one', [payload])
    const { exitCode, err } = await run('--data', folder, 'journal', 'verify')
    assert.equal(exitCode, 8, err)
    assert.match(err, says)
  })
}

test('a changed, lost or older entry of the store is found', async (t) => {
  const { network, run } = setup(t)
  const changes = [
    `UPDATE entry SET payload = replace(payload, 'org', 'orq') WHERE sequence = 3`,
    'DELETE FROM entry WHERE sequence = 3',
    'UPDATE entry SET epoch = 0 WHERE sequence = 9',
  ]
  for (const [index, change] of changes.entries()) {
    const folder = await network(`harmed-${index}`)
    const database = new DatabaseSync(join(folder, 'journals', 'journal.db'))
    database.exec(change)
    database.close()
    const { exitCode, err } = await run('--data', folder, 'journal', 'verify')
    assert.deepEqual([exitCode, /is damaged at entry/.test(err)], [8, true], err)
  }
})

test('where there is no journal, that is said', async (t) => {
  const { path, run, database } = setup(t)
  const none = await run('--data', path('none'), 'journal', 'verify')
  assert.deepEqual([none.exitCode, /There is no journal at .*none/.test(none.err)], [6, true])
  const file = await run('--data', path('none'), 'journal', 'import', path('none.jsonl'))
  assert.deepEqual([file.exitCode, /There is no file/.test(file.err)], [6, true])
  if (postgresMissing) return t.skip(postgresMissing)
  const empty = await run('journal', 'verify', '--database', await database())
  assert.deepEqual([empty.exitCode, /There is no journal in PostgreSQL/.test(empty.err)], [6, true])
})

test('a file that cannot be written or read is a problem of the disk', async (t) => {
  const { network, path, run } = setup(t)
  const folder = await network('one')
  const out = await run('--data', folder, 'journal', 'export', path('missing/j.jsonl'))
  assert.deepEqual([out.exitCode, /missing.j\.jsonl/.test(out.err)], [8, true], out.err)
  const back = await run('--data', path('two'), 'journal', 'import', folder)
  assert.deepEqual([back.exitCode, /disk failed at .*EISDIR/.test(back.err)], [8, true], back.err)
})

interface Facts {
  readonly id: string
  readonly epoch: number
  readonly entries: number
  readonly epochs: number
  readonly stateDigest: string
}

function setup(t: TestContext) {
  const root = mkdtempSync(join(tmpdir(), 'shoal-journal-command-'))
  t.after(() => rmSync(root, { recursive: true }))
  const path = (name: string): string => join(root, name)
  const run = async (...commandLine: string[]) => {
    const terminal = createStubTerminal({ fetch: () => Promise.reject(new Error('no network is asked')) })
    const program = createProgram(terminal.context, [journalCommand(terminal.context)])
    const exitCode = await runProgram(program, terminal.context, commandLine)
    return { exitCode, ...terminal.written }
  }
  return {
    path,
    run,
    async json(...commandLine: string[]): Promise<Facts> {
      const { exitCode, out, err } = await run('--json', ...commandLine)
      assert.equal(exitCode, 0, err)
      return JSON.parse(out) as Facts
    },
    /** A data folder whose journal two processes have written, and `more` after it. */
    async network(name: string, more: readonly string[] = []): Promise<string> {
      const half = COUNT >> 1
      for (const payloads of [history.payloads.slice(0, half), [...history.payloads.slice(half), ...more]]) {
        const journal = await createSqliteJournals(join(path(name), 'journals')).open('journal')
        await appended(journal, payloads)
        await journal.close()
      }
      return path(name)
    },
    async database(): Promise<string> {
      server ??= await startPostgres()
      return server.createDatabase()
    },
  }
}

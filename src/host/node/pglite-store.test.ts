import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import type { Log } from '../host.ts'
import type { SqlStore, SqlValue } from '../sql-store.ts'
import { openPgliteStore } from './pglite-store.ts'
import { sqlStoreContract } from './sql-store-contract.ts'

/** Making a database takes seconds, so all tests open this one, each with a table of its own in it. */
const folder = mkdtempSync(join(tmpdir(), 'shoal-pglite-'))
after(() => rmSync(folder, { recursive: true }))

sqlStoreContract('pglite', () => openPgliteStore({ folder, owner: 'test', log: silent }))

test('one opener at a time; what it committed is there for the next', async (t) => {
  const { open, table } = setup(t)
  const first = open()
  const second = { folder, owner: 'second', log: silent }
  assert.throws(() => openPgliteStore(second), { code: 'folder_in_use', message: /in use by test/ })
  await run(first, `create table ${table} (n bigint)`)
  const late = run(first, `insert into ${table} values (1)`)
  await Promise.all([first.close(), first.close()])
  await late
  await assert.rejects(run(first, 'select 1'), { code: 'unavailable' })
  assert.deepEqual(await run(open(), `select n from ${table}`), [{ n: 1n }])
})

test('a killed process loses nothing that was acknowledged', async (t) => {
  const { open, child, table } = setup(t)
  const process = child(`
    await store.run([{ sql: 'create table ${table} (n bigint)', parameters: [] }])
    for (let n = 1; ; n++) {
      await store.run([{ sql: 'insert into ${table} values ($1)', parameters: [n] }])
      console.log(n)
    }`)
  let said = ''
  for await (const chunk of process.stdout) {
    said += chunk
    if (said.includes('\n20\n')) process.kill('SIGKILL')
  }
  const acknowledged = said.split('\n').length - 1
  assert.ok(acknowledged >= 20)
  const [row] = await run(open(), `select count(*) as n, max(n) as last from ${table}`)
  assert.ok(Number(row?.n) >= acknowledged)
  assert.equal(row?.n, row?.last)
})

test('an open store does not keep the process alive, nor does a closed one', async (t) => {
  const { child } = setup(t)
  for (const end of ['', 'await store.close()']) {
    const process = child(`await store.run([{ sql: 'select 1', parameters: [] }]); ${end}`)
    assert.equal(await new Promise((resolve) => process.on('exit', resolve)), 0)
  }
})

test('a store that is closed while it opens lets its calls fail and the next opener in', async (t) => {
  const { open } = setup(t)
  const store = open()
  const call = run(store, 'select 1')
  await Promise.all([store.close(), assert.rejects(call, { code: 'unavailable' })])
  assert.deepEqual(await run(open(), 'select 1 as one'), [{ one: 1 }])
})

test('a thread that fails is replaced, and its waiting calls fail', async (t) => {
  const { open, logged, table } = setup(t)
  const store = open()
  await run(store, `create table ${table} (n bigint)`)
  // PGlite throws on this before it asks the database: an error that the store does not expect.
  const harmful = run(store, 'select $1::bool', ['neither'])
  const waiting = run(store, 'select 1')
  await assert.rejects(harmful, { code: 'unavailable' })
  await assert.rejects(waiting, { code: 'unavailable' })
  assert.deepEqual(await run(store, `select n from ${table}`), [])
  assert.deepEqual(logged('error'), ['sql_store.stopped'])
})

test('a database that breaks or cannot be opened is set aside for an empty one', async (t) => {
  const { open, logged, table } = setup(t)
  const first = open()
  await run(first, `create table ${table} as select 1::bigint as n`)
  const [row] = await run(first, `select pg_relation_filepath('${table}') as path`)
  const path = String(row?.path)
  await first.close()
  writeFileSync(join(folder, 'data', path), Buffer.alloc(8_192, 'garbage'))

  const second = open()
  const select = () => run(second, `select n from ${table}`)
  await assert.rejects(select(), { code: 'unavailable', details: { sqlState: 'XX001' } })
  await assert.rejects(select(), { code: 'internal', details: { sqlState: '42P01' } })
  assert.deepEqual(logged('warn'), ['sql_store.set_aside'])
  assert.equal(readFileSync(join(folder, 'data.set-aside', path)).includes('garbage'), true)
  await second.close()

  truncateSync(join(folder, 'data', 'global', 'pg_control'))
  assert.deepEqual(await run(open(), 'select 1 as one'), [{ one: 1 }])
  assert.deepEqual(logged('warn'), ['sql_store.set_aside', 'sql_store.set_aside'])
})

const silent: Log = { info() {}, warn() {}, error() {} }
let tables = 0

async function run(store: SqlStore, sql: string, parameters: SqlValue[] = []) {
  const [rows] = await store.run([{ sql, parameters }])
  // The columns that some test reads by name.
  return (rows ?? []) as { n?: bigint; last?: bigint; path?: string }[]
}

function setup(t: TestContext) {
  const opened: SqlStore[] = []
  const lines: { level: string; event: string }[] = []
  const keep = (level: string) => (event: string) => void lines.push({ level, event })
  const log: Log = { info: keep('info'), warn: keep('warn'), error: keep('error') }
  t.after(async () => {
    for (const store of opened) await store.close()
  })
  return {
    table: `t${++tables}`,
    logged: (level: string) => lines.filter((line) => line.level === level).map((line) => line.event),
    open(): SqlStore {
      const store = openPgliteStore({ folder, owner: 'test', log })
      opened.push(store)
      return store
    },
    /** Another process, with a store on the folder. */
    child(script: string) {
      const text = `
        import { openPgliteStore } from ${JSON.stringify(new URL('./pglite-store.ts', import.meta.url).href)}
        const log = { info() {}, warn: console.error, error: console.error }
        const store = openPgliteStore({ folder: ${JSON.stringify(folder)}, owner: 'child', log })
        ${script}`
      const args = ['--input-type=module', '--eval', text]
      return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    },
  }
}

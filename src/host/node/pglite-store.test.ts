import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import type { Log } from '../host.ts'
import type { SqlStore, SqlValue } from '../sql-store.ts'
import { openPgliteStore } from './pglite-store.ts'

const silent: Log = { info() {}, warn() {}, error() {} }
/** Making a database takes seconds, so there is one, in turns; each test has a table of its own in it. */
const folder = mkdtempSync(join(tmpdir(), 'shoal-pglite-'))
after(() => rmSync(folder, { recursive: true }))

test('int8 and numeric come back as bigint, whatever their size', async (t) => {
  const { open, table } = await setup(t)
  const sql = `select 1::int8 as small, 9007199254740993::int8 as large, 1e30::numeric(40,0) as money, count(*) as n,
    sum(n) as sum, 7::int4 as int, 'x'::text as text, null::int8 as nothing, true as yes from ${table}`
  assert.deepEqual(await run(open(), sql), [
    {
      small: 1n,
      large: 9_007_199_254_740_993n,
      money: 10n ** 30n,
      n: 1n,
      sum: 1n,
      int: 7,
      text: 'x',
      nothing: null,
      yes: true,
    },
  ])
})

test('parameters arrive as they are', async (t) => {
  const { open, table } = await setup(t)
  const [row] = await run(
    open(),
    'select $1::int8 as a, $2::numeric as b, $3::text as c, $4::int as d, $5::bool as e',
    [-(2n ** 63n), 10n ** 29n, `'"\\ 😀`, -5, false],
  )
  assert.deepEqual(row, { a: -(2n ** 63n), b: 10n ** 29n, c: `'"\\ 😀`, d: -5, e: false })
})

test('statements happen all or not at all, in order, with the rows of each', async (t) => {
  const { open, table } = await setup(t)
  const store = open()
  const insert = (n: number) => ({ sql: `insert into ${table} values ($1) returning n`, parameters: [n] })
  const count = { sql: `select count(*) as n from ${table}`, parameters: [] }
  assert.deepEqual(await store.run([insert(2), count, insert(3)]), [[{ n: 2n }], [{ n: 2n }], [{ n: 3n }]])
  await assert.rejects(store.run([insert(4), { sql: 'insert into missing values (1)', parameters: [] }]), {
    code: 'internal',
    details: { sqlState: '42P01' },
  })
  await assert.rejects(store.run([insert(5), { ...count, rowsExpected: 2 }]), { code: 'conflict' })
  assert.deepEqual(await store.run([count]), [[{ n: 3n }]])
  assert.deepEqual(await store.run([]), [])
})

test('one opener at a time; what it committed is there for the next', async (t) => {
  const { open, table } = await setup(t)
  const first = open()
  assert.throws(() => openPgliteStore({ folder, owner: 'second', log: silent }), {
    code: 'folder_in_use',
    message: /test/,
  })
  await run(first, `insert into ${table} values (2)')
  const late = run(first, `insert into ${table} values (3)')
  await Promise.all([first.close(), first.close()])
  await late
  await assert.rejects(run(first, 'select 1'), { code: 'unavailable' })
  assert.deepEqual(await run(open(), `select n from ${table} order by n'), [{ n: 1n }, { n: 2n }, { n: 3n }])
})

test('a killed process loses nothing that was acknowledged', async (t) => {
  const { open, child, table } = await setup(t)
  const process = child(`
    for (let n = 2; ; n++) {
      await store.run([{ sql: `insert into ${table} values ($1)', parameters: [n] }])
      console.log(n)
    }`)
  let said = ''
  for await (const chunk of process.stdout) {
    said += chunk
    if (said.includes('\n20\n')) process.kill('SIGKILL')
  }
  const acknowledged = said.split('\n').length - 1
  assert.ok(acknowledged >= 19)
  const [row] = await run(open(), `select count(*) as n, max(n) as last from ${table}`)
  assert.equal(row?.n, row?.last)
  assert.ok(Number(row?.n) > acknowledged)
})

test('an open store does not keep the process alive, nor does a closed one', async (t) => {
  const { child } = await setup(t)
  for (const end of ['', 'await store.close()']) {
    const process = child(`await store.run([{ sql: 'select 1', parameters: [] }]); ${end}`)
    assert.equal(await new Promise((resolve) => process.on('exit', resolve)), 0)
  }
})

test('a store that is closed while it opens leaves a folder that opens', async (t) => {
  const { open, table } = await setup(t)
  const store = open()
  const call = run(store, 'select 1')
  await Promise.all([store.close(), assert.rejects(call, { code: 'unavailable' })])
  assert.deepEqual(await run(open(), `select n from ${table}`), [{ n: 1n }])
})

test('calls beyond the queue are refused at once', async (t) => {
  const { open, table } = await setup(t)
  const store = open()
  const calls = Array.from({ length: 256 }, () => run(store, 'select 1'))
  await assert.rejects(run(store, 'select 1'), { code: 'queue_full' })
  await Promise.all(calls)
})

test('a thread that fails is replaced, and its waiting calls fail', async (t) => {
  const { open, logged, table } = await setup(t)
  const store = open()
  await run(store, `insert into ${table} values (2)')
  // PGlite throws on this before it asks the database: an error that the store does not expect.
  const harmful = run(store, 'select $1::bool', ['neither'])
  const waiting = run(store, 'select 1')
  await assert.rejects(harmful, { code: 'unavailable' })
  await assert.rejects(waiting, { code: 'unavailable' })
  assert.deepEqual(await run(store, `select count(*) as n from ${table}`), [{ n: 2n }])
  assert.deepEqual(logged('error'), ['sql_store.stopped'])
})

test('a database that breaks or cannot be opened is set aside for an empty one', async (t) => {
  const { open, logged, table } = await setup(t)
  writeFileSync(join(folder, 'data', tableFile), Buffer.alloc(8_192, 'garbage'))
  const store = open()
  await assert.rejects(run(store, `select n from ${table}`), { code: 'unavailable', details: { sqlState: 'XX001' } })
  await assert.rejects(run(store, `select n from ${table}`), { code: 'internal', details: { sqlState: '42P01' } })
  assert.deepEqual(logged('warn'), ['sql_store.set_aside'])
  assert.equal(readFileSync(join(folder, 'data.set-aside', tableFile)).includes('garbage'), true)
  await store.close()

  truncateSync(join(folder, 'data', 'global', 'pg_control'))
  assert.deepEqual(await run(open(), 'select 1 as one'), [{ one: 1 }])
  assert.deepEqual(logged('warn'), ['sql_store.set_aside', 'sql_store.set_aside'])
})

async function run(store: SqlStore, sql: string, parameters: SqlValue[] = []) {
  const [rows] = await store.run([{ sql, parameters }])
  // Loosely typed, so that tests read columns by name.
  return (rows ?? []) as { n?: bigint; last?: bigint; path?: string }[]
}

function setup(t: TestContext) {
  const folder = mkdtempSync(join(scratch, 'copy-'))
  cpSync(template, folder, { recursive: true })
  const opened: SqlStore[] = []
  const lines: { level: string; event: string }[] = []
  const keep = (level: string) => (event: string) => void lines.push({ level, event })
  const log: Log = { info: keep('info'), warn: keep('warn'), error: keep('error') }
  t.after(async () => {
    for (const store of opened) await store.close()
    rmSync(folder, { recursive: true })
  })
  return {
    folder,
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

/** What every store of read models does, whatever database it is on. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '#protocol/problem.ts'
import type { SqlStore, SqlValue } from '../sql-store.ts'

/** Registers the facts as tests of `name`, on a store whose database no other test uses meanwhile. */
export function sqlStoreContract(name: string, open: () => SqlStore): void {
  test(`${name}: statements`, async (t) => {
    const store = open()
    t.after(() => store.close())
    const table = 'contract'
    await run(store, `drop table if exists ${table}`)
    await run(store, `create table ${table} (n bigint)`)
    const insert = (n: number) => ({ sql: `insert into ${table} values ($1) returning n`, parameters: [n] })
    const count = { sql: `select count(*) as n from ${table}`, parameters: [] }

    await t.test('happen all or not at all, in order, with the rows of each', async () => {
      assert.deepEqual(await store.run([insert(2), count, insert(3)]), [
        [{ n: 2n }],
        [{ n: 1n }],
        [{ n: 3n }],
      ])
      const unknown = { sql: 'insert into missing values (1)', parameters: [] }
      await assert.rejects(
        store.run([insert(4), unknown]),
        (error) =>
          error instanceof Problem && error.code === 'internal' && error.details['sqlState'] === '42P01',
      )
      await assert.rejects(store.run([insert(5), { ...count, rowsExpected: 2 }]), { code: 'conflict' })
      assert.deepEqual(await store.run([count]), [[{ n: 2n }]])
      assert.deepEqual(await store.run([]), [])
    })

    await t.test('give int8 and numeric as bigint, whatever their size', async () => {
      const sql = `select 1::int8 as small, 9007199254740993::int8 as large, 1e30::numeric(40,0) as money,
        sum(n) as sum, 7::int4 as int, 'x'::text as text, null::int8 as nothing, true as yes from ${table}`
      const row = { small: 1n, large: 9_007_199_254_740_993n, money: 10n ** 30n, sum: 5n }
      assert.deepEqual(await run(store, sql), [{ ...row, int: 7, text: 'x', nothing: null, yes: true }])
    })

    await t.test('take parameters as they are', async () => {
      const sql = 'select $1::int8 as a, $2::numeric as b, $3::text as c, $4::int as d, $5::bool as e'
      const values = { a: -(2n ** 63n), b: 10n ** 29n, c: `'"\\ 😀`, d: -5, e: false }
      assert.deepEqual(await run(store, sql, Object.values(values)), [values])
    })

    await t.test('are refused at once beyond the queue', async () => {
      const calls = Array.from({ length: 256 }, () => run(store, 'select 1'))
      await assert.rejects(run(store, 'select 1'), { code: 'queue_full' })
      await Promise.all(calls)
    })
  })

  test(`${name}: calls run in order, and those already made end before it closes`, async () => {
    const store = open()
    await run(store, 'select 1')
    const calls = [1, 2, 3].map((n) => run(store, 'select $1::int as n', [n]))
    const closed = Promise.all([store.close(), store.close()])
    assert.deepEqual(await Promise.all(calls), [[{ n: 1 }], [{ n: 2 }], [{ n: 3 }]])
    await closed
    await assert.rejects(run(store, 'select 1'), { code: 'unavailable' })
  })
}

async function run(store: SqlStore, sql: string, parameters: SqlValue[] = []) {
  const [rows] = await store.run([{ sql, parameters }])
  return rows ?? []
}

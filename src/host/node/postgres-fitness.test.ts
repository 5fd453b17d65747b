import assert from 'node:assert/strict'
import { test } from 'node:test'
import { unfitness } from './postgres-fitness.ts'

const fit = {
  version: 150_018,
  is_standby: false,
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  read_only: 'off',
  encoding: 'UTF8',
}

test('a server that keeps what it acknowledged is fit', () => {
  for (const version of [130_000, 140_011, 150_018, 170_000])
    assert.equal(unfitness({ ...fit, version }), null)
})

const rows: readonly [change: Record<string, unknown>, says: RegExp][] = [
  [{ version: 120_022 }, /^is PostgreSQL 12\.22; 13 or later is needed\. Upgrade the server\.$/],
  [{ version: 90_624 }, /^is PostgreSQL 9\.6; 13 or later/],
  [{ version: undefined }, /is no PostgreSQL/],
  [{ is_standby: true }, /is a standby.*Name the primary/],
  [{ is_standby: undefined }, /is a standby/],
  [{ read_only: 'on' }, /takes no writes from this user/],
  [{ fsync: 'off' }, /fsync off.*Set fsync = on/],
  [{ full_page_writes: 'off' }, /full_page_writes off/],
  [{ synchronous_commit: 'off' }, /keeps synchronous_commit at off/],
  [{ synchronous_commit: 'local' }, /keeps synchronous_commit at local/],
  [{ encoding: 'SQL_ASCII' }, /encoding SQL_ASCII; UTF8 is needed/],
]
for (const [change, says] of rows) {
  test(`a server with ${JSON.stringify(change)} is refused in one sentence`, () => {
    assert.match(unfitness({ ...fit, ...change }) ?? '', says)
  })
}

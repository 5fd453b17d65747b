import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { openPostgresStore } from '#host/node/postgres-store.ts'
import { skipWithoutPostgres, startPostgres } from '#host/node/test-postgres.ts'
import { journalledHistory } from './journalled-history.ts'
import { createBench, createJournal, silent, WAIT_MS_MAX } from './test-bench.ts'
import { readModelsContract } from './test-contract.ts'
import { busyTurns } from './test-turns.ts'

if (!skipWithoutPostgres('PostgreSQL read models')) {
  const server = await startPostgres()
  const stores = [1, 2, 3].map(() => openPostgresStore({ url: server.url, log: silent }))
  const [store, ...others] = stores
  assert.ok(store)
  after(async () => {
    for (const each of stores) await each.close()
    await server.dispose()
  })
  readModelsContract('PostgreSQL', store)

  test('projectors of several leaders, each with a connection of its own, count each entry once', async (t) => {
    const { open, assertExplained } = createBench(store)
    const turns = Array.from({ length: 10 }, () => busyTurns).flat()
    const history = journalledHistory(turns)
    const journal = createJournal({ payloads: [] })
    const projectors = others.map((other) => open(journal, other))
    t.after(() => {
      for (const projector of projectors) projector.close()
    })
    for (const payload of history.payloads) {
      journal.add(payload)
      if (journal.lastSequence % 10 === 0) await projectors[0]?.reach(journal.lastSequence, WAIT_MS_MAX)
    }
    for (const projector of projectors) {
      assert.ok(await projector.reach(history.payloads.length, WAIT_MS_MAX))
    }
    await assertExplained(history, 100)
  })
}

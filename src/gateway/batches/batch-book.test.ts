import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BatchEvent } from '#batch/batch-events.ts'
import { batchLimits } from '#batch/batch-limits.ts'
import { createTestNetwork } from '#sim/test-network.ts'
import { openBatchBook } from './batch-book.ts'

test('a snapshot takes as many entries as it needs, and a book that is opened again has all of it', async () => {
  const { world, machine } = await createTestNetwork({ nodes: [] })
  const open = async () => {
    const journal = await world.settle(machine.host.journals.open('batches'))
    const onFatal = (problem: Error): never => assert.fail(problem)
    const book = await world.settle(
      openBatchBook(journal, { limits: batchLimits, onFatal, snapshotEvery: 250 }),
    )
    return { journal, book }
  }
  const { journal, book } = await open()
  for (let number = 0; number < 260; number++) {
    const file = { fileId: `file-${number}`, filename: 'a', purpose: 'batch', bytes: 1 } as const
    const times = { expiresAtMs: null, nowMs: 1 }
    const keep = { kind: 'keep_file', organisationId: 'o', claim: null, ...file, ...times } as const
    assert.equal(await world.settle(book.take(keep)), null)
  }
  const entries = await world.settle(journal.read(1, 1_000))
  const parsed = entries.map(({ payload }) => JSON.parse(payload))
  assert.deepEqual(
    parsed.map(({ isSnapshot, events }) => [isSnapshot, events.length]),
    [[true, 100], [false, 100], [false, 50], ...Array.from({ length: 10 }, () => [false, 1])],
  )
  for (const { events } of parsed) for (const event of events) BatchEvent.parse(event)
  const files = [...book.state.files.keys()]
  await world.settle(book.close())
  const again = await open()
  assert.deepEqual([...again.book.state.files.keys()], files)
  await world.settle(again.book.close())
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PAYER } from '#sim/test-world.ts'
import type { UsageFilter } from '../read-models/queries.ts'
import { accountHandlers } from './account-handlers.ts'
import { callerOf, contextOf, TestJobs } from './test-jobs.ts'

test('sums by the day are those of the model that was asked for, as the list is', async () => {
  const jobs = await TestJobs.open()
  const asked: UsageFilter[] = []
  const nothing = { items: [], next: null, asOfSequence: 0 }
  const note = async (filter: UsageFilter) => {
    asked.push(filter)
    return nothing
  }
  const queries = { usage: note, usageSummary: note }
  const projector = { ...jobs.parts.projector, lag: () => 0 }
  const api = accountHandlers({ ...jobs.parts, queries, projector } as never)
  const viewer = callerOf(PAYER, 'viewer')
  for (const query of [{ model: 'llama' }, {}]) {
    await jobs.answer(Promise.resolve(api.listUsage({ query }, viewer, contextOf('listUsage'))))
    await jobs.answer(Promise.resolve(api.summariseUsage({ query }, viewer, contextOf('summariseUsage'))))
  }
  assert.deepEqual(
    asked.map(({ model }) => model),
    ['llama', 'llama', null, null],
  )
})

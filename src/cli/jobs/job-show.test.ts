import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JobNews } from '#protocol/job.ts'
import { createStubTerminal } from '../stub-context.ts'
import { createStubJobs } from '../stub-jobs.ts'
import { createStubNetwork, STUB_NOW_MS } from '../stub-network.ts'
import { fetchFrom } from '../test-fetch.ts'

test('the log of a job is told to its newest piece, however many there are', async () => {
  const { run } = setup({ pieces: 900 })
  const { out, err } = await run('job', 'logs', 'job_1')
  assert.deepEqual([out.trim().split('\n').length, err], [900, ''])
  assert.match(out, /Piece 900\.\n$/)
})

test('a job that a network paused before it started anew says why, with the end of the log', async () => {
  const { run } = setup({ pieces: 0, detail: 'Frame 3 failed.\nThe last lines of its log:\n  no camera' })
  const { out, err } = await run('job', 'logs', 'job_1')
  assert.match(out, /paused Frame 3 failed\.\n {4}The last lines of its log:\n.*no camera\n$/)
  assert.equal(err, '')
})

test('where nothing is known that is said, also to whoever follows', async () => {
  const { run } = setup({ pieces: 0, status: 'completed' })
  const { out, err, exitCode } = await run('job', 'logs', 'job_1', '-f')
  assert.deepEqual([out, exitCode], ['', 0])
  assert.match(err, /Nothing is known of it since the coordinator began/)
})

const PAGE = 500

function setup(input: { pieces: number; detail?: string; status?: 'completed' }) {
  const { pieces, detail, status } = input
  const jobs = createStubJobs(STUB_NOW_MS)
  const news = Array.from({ length: pieces }, (_, at): JobNews => {
    const sequence = at + 1
    return {
      ...{ sequence, atMs: STUB_NOW_MS, kind: 'done', step: 0, task: at, nodeId: null },
      text: `Piece ${sequence}.`,
    }
  })
  const job = jobs.jobs.get('job_1')
  const pause = detail === undefined ? null : { reason: 'same_error' as const, detail, atMs: STUB_NOW_MS }
  if (job) jobs.jobs.set('job_1', { ...job, pause, ...(status && { status }) })
  const handlers = {
    ...createStubNetwork().handlers,
    ...jobs.handlers,
    followJob: ({ query }: { query?: { after?: number | undefined } | undefined }) => {
      const items = news.slice(query?.after ?? 0, (query?.after ?? 0) + PAGE)
      return { items, next: items.at(-1)?.sequence ?? query?.after ?? 0 }
    },
  }
  return createStubTerminal({ fetch: fetchFrom(handlers) })
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Job } from '#protocol/job.ts'
import { PAYER } from '#sim/test-world.ts'
import { callerOf, contextOf, developer, stranger, TestJobs } from './test-jobs.ts'

test('jobs that left the memory are listed behind those that are in it, and a job in both once', async () => {
  const { jobs, live, list } = await setup()
  const newest = await jobs.submit({ frames: 1 })
  const { items, next } = await list()
  assert.deepEqual(
    items.map(({ jobId }) => jobId),
    [newest, live, 'job_old'],
  )
  assert.equal(next, null)
  const first = await list({ limit: 2 })
  assert.deepEqual(
    first.items.map(({ jobId }) => jobId),
    [newest, live],
  )
  assert.equal(first.next, `${items[1]?.submittedAtMs}.${live}`)
})

test('who asks for active or paused jobs does not wait for the tables', async () => {
  const { jobs, live, list } = await setup()
  const { parts } = jobs
  jobs.parts = { ...parts, queries: { ...parts.queries, jobs: () => Promise.reject(new Error('asked')) } }
  assert.deepEqual(
    (await list({ status: 'active' })).items.map(({ jobId }) => jobId),
    [live],
  )
  await assert.rejects(list(), { message: 'asked' })
})

test('jobs that go on are one list, page by page: none of them twice and none left out', async () => {
  const { jobs, live, list } = await setup()
  const { api } = jobs
  const ids = [live]
  for (const isPaused of [true, true, false, true]) {
    await jobs.floor.world.run(10)
    const jobId = await jobs.submit({ frames: 1 })
    ids.unshift(jobId)
    const call = () => api.pauseJob({ params: { jobId }, body: {} }, developer, contextOf('pauseJob'))
    if (isPaused) await jobs.answer(call())
  }
  const ended = await jobs.submit({ frames: 1 })
  const over = { params: { jobId: ended }, body: {} }
  await jobs.answer(api.cancelJob(over, developer, contextOf('cancelJob')))
  const seen: string[] = []
  for (let before: string | null | undefined; before !== null; ) {
    const page = await list({ status: 'open', limit: 2, ...(before !== undefined && { before }) })
    seen.push(...page.items.map(({ jobId }) => jobId))
    before = page.next
  }
  assert.deepEqual(seen, ids)
})

test('a job that left the memory is read, and is over for whoever wants to change it', async () => {
  const { jobs } = await setup()
  const params = { jobId: 'job_old' }
  const { api } = jobs
  const read = await jobs.answer(api.getJob({ params }, developer, contextOf('getJob')))
  assert.equal(read.status, 'completed')
  const news = await jobs.answer(
    api.followJob({ params, query: { after: 7, waitMs: 30_000 } }, developer, contextOf('followJob')),
  )
  assert.deepEqual(news, { items: [], next: 7 })
  const why = await jobs.answer(
    api.whyTask({ params: { ...params, step: '0', task: '0' } }, developer, contextOf('whyTask')),
  )
  assert.deepEqual(
    [why.state, why.job, why.sentence],
    ['done', 'over', 'It was done by a, and its job ended long ago.'],
  )
  await assert.rejects(
    async () => await jobs.answer(api.cancelJob({ params, body: {} }, developer, contextOf('cancelJob'))),
    { code: 'conflict', message: /job_old is completed, and stays so/ },
  )
  for (const place of [
    { step: '0', task: '1' },
    { step: 'x', task: '0' },
  ]) {
    await assert.rejects(
      async () =>
        await jobs.answer(api.whyTask({ params: { ...params, ...place } }, developer, contextOf('whyTask'))),
      { code: 'not_found' },
    )
  }
})

test('a job of somebody else that left the memory is as unknown as one that never was', async () => {
  const { jobs } = await setup()
  const params = { jobId: 'job_old' }
  const { api } = jobs
  const calls = [
    () => api.getJob({ params }, stranger, contextOf('getJob')),
    () => api.listJobTasks({ params, query: {} }, stranger, contextOf('listJobTasks')),
    () => api.followJob({ params, query: {} }, stranger, contextOf('followJob')),
    () => api.whyTask({ params: { ...params, step: '0', task: '0' } }, stranger, contextOf('whyTask')),
    () => api.cancelJob({ params, body: {} }, stranger, contextOf('cancelJob')),
  ]
  for (const call of calls) {
    await assert.rejects(async () => await jobs.answer(call()), {
      code: 'not_found',
      message: 'There is no job job_old, or it is not this key’s to see.'.replace('’', "'"),
    })
  }
})

async function setup() {
  const jobs = await TestJobs.open()
  await jobs.floor.world.run(10)
  const live = await jobs.submit({ frames: 1 })
  await jobs.floor.world.run(10)
  const [job] = (await jobs.answer(jobs.api.listJobs({ query: {} }, developer, contextOf('listJobs')))).items
  assert(job)
  const old: Job = { ...job, jobId: 'job_old', status: 'completed', submittedAtMs: 1, endedAtMs: 2 }
  jobs.kept.push(job, old)
  const task = {
    step: 0,
    task: 0,
    params: {},
    state: 'done',
    attempts: [],
    outputs: [],
    nodeId: 'a',
  } as const
  const made = { referenceSeconds: 1, charge: 1n, isChecked: false, failedNodes: [] }
  jobs.keptTasks.push({ ...task, ...made, attempts: [], outputs: [] })
  const list = (query: { limit?: number; status?: 'active' | 'open'; before?: string } = {}) =>
    jobs.answer(jobs.api.listJobs({ query }, callerOf(PAYER, 'viewer'), contextOf('listJobs')))
  return { jobs, live, list }
}

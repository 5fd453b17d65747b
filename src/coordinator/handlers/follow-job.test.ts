import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Problem } from '#protocol/problem.ts'
import { PAYER } from '#sim/test-world.ts'
import { crash } from '#work/test-farm.ts'
import { NEWS_PER_JOB, WAITING_PER_ORGANISATION } from '../work/job-news.ts'
import { callerOf, contextOf, type developer, operator, TestJobs } from './test-jobs.ts'

test('what happens to a job is told in sentences, numbered without gaps, with the log where it failed', async () => {
  const { jobs, follow } = await setup()
  const jobId = await jobs.submit({ frames: 2 })
  await jobs.floor.hello('a')
  await jobs.floor.finish('a', 1)
  await jobs.floor.say('a', { kind: 'fail', fence: 2, failure: crash })
  const { items, next } = await follow(jobId)
  assert.deepEqual(
    items.map(({ kind, task, nodeId }) => `${kind} ${task} ${nodeId}`),
    [
      'submitted null null',
      'granted 0 a',
      'granted 1 a',
      'committed 0 a',
      'done 0 a',
      'failed 1 a',
      'gave_up 1 null',
      'paused null null',
    ],
  )
  const [first] = items
  assert.ok(first && items.every(({ sequence }, at) => sequence === first.sequence + at))
  assert.equal(next, items.at(-1)?.sequence)
  assert.equal(items[4]?.text, 'Frame 1 is done, for 0.000001 USD.')
  assert.match(
    items[5]?.text ?? '',
    /^a failed frame 2: Blender ended with signal 11\. .*\nThe end of its log:\nBVH build/,
  )
  assert.deepEqual(await follow(jobId, next), { items: [], next })
  assert.deepEqual(
    (await follow(jobId, next - 2)).items.map(({ kind }) => kind),
    ['gave_up', 'paused'],
  )
})

test('a call waits for news, and is answered with them', async () => {
  const { jobs, follow } = await setup()
  const jobId = await jobs.submit()
  const { next } = await follow(jobId)
  const waiting = follow(jobId, next, { waitMs: 20_000 })
  const begunMs = jobs.floor.nowMs()
  await jobs.floor.hello('a')
  const { items } = await waiting
  assert.equal(items[0]?.kind, 'granted')
  assert.ok(jobs.floor.nowMs() - begunMs < 100)
})

test('a call that waited in vain is answered with nothing, and one whose caller left ends', async () => {
  const { jobs, follow } = await setup()
  const jobId = await jobs.submit()
  const { next } = await follow(jobId)
  const begunMs = jobs.floor.nowMs()
  assert.deepEqual(await follow(jobId, next, { waitMs: 3_000 }), { items: [], next })
  assert.ok(jobs.floor.nowMs() - begunMs >= 3_000)
  const left = new AbortController()
  const waiting = follow(jobId, next, { waitMs: 30_000, signal: left.signal })
  await jobs.floor.world.run(100)
  left.abort()
  await waiting
  assert.ok(jobs.floor.nowMs() - begunMs < 4_000)
})

test('whoever waited and left takes no place of those who wait', async () => {
  const { jobs, follow } = await setup()
  const jobId = await jobs.submit()
  const { next } = await follow(jobId)
  for (let count = 0; count <= WAITING_PER_ORGANISATION; count++) {
    assert.deepEqual(await follow(jobId, next, { waitMs: 1 }), { items: [], next })
  }
})

test('nobody waits for news of a job that is over', async () => {
  const { jobs, follow } = await setup()
  const jobId = await jobs.submit({ frames: 1 })
  await jobs.floor.hello('a')
  await jobs.floor.finish('a', 1)
  const { items, next } = await follow(jobId)
  assert.equal(items.at(-1)?.text, 'The job is complete, for 0.000001 USD.')
  const begunMs = jobs.floor.nowMs()
  assert.deepEqual((await follow(jobId, next, { waitMs: 30_000 })).items, [])
  assert.ok(jobs.floor.nowMs() - begunMs < 100)
})

test('so many calls of an organisation wait at once, of another they still may, and all end when the coordinator stops', async () => {
  const { jobs, follow } = await setup()
  const jobId = await jobs.submit()
  const { next } = await follow(jobId)
  const context = contextOf('followJob')
  const waiting = Array.from({ length: WAITING_PER_ORGANISATION }, async () => {
    try {
      await jobs.api.followJob({ params: { jobId }, query: { after: next, waitMs: 30_000 } }, viewer, context)
      return 'answered'
    } catch (error) {
      return (error as Problem).code
    }
  })
  await jobs.floor.world.run(10)
  await assert.rejects(follow(jobId, next, { waitMs: 1_000 }), { code: 'queue_full' })
  assert.deepEqual(await follow(jobId, next, { waitMs: 0 }), { items: [], next })
  assert.deepEqual(await follow(jobId, next, { waitMs: 1_000, caller: operator }), { items: [], next })
  jobs.parts.jobs.news.close()
  await jobs.floor.world.run(10)
  assert.deepEqual([...new Set(await Promise.all(waiting))], ['unavailable'])
  await assert.rejects(follow(jobId, next, { waitMs: 1_000 }), { code: 'unavailable' })
})

test('after a restart numbers go on above those of before: nothing comes twice, and nothing is missed', async () => {
  const { jobs, follow } = await setup()
  const jobId = await jobs.submit({ frames: 3 })
  await jobs.floor.hello('a')
  const before = await follow(jobId)
  await jobs.restart()
  const waiting = follow(jobId, before.next, { waitMs: 20_000 })
  await jobs.floor.hello('a')
  await jobs.floor.finish('a', 1)
  const after = await waiting
  assert.equal(after.items[0]?.kind, 'committed')
  assert.ok((after.items[0]?.sequence ?? 0) > before.next)
  const all = await follow(jobId)
  assert.deepEqual(
    all.items.map(({ kind }) => kind),
    ['committed', 'granted', 'done'],
  )
})

test('of much news the newest are kept, and who asks for what never was goes on from the newest', async () => {
  const { jobs, follow } = await setup()
  const jobId = await jobs.submit()
  for (let count = 0; count < NEWS_PER_JOB * 2 + 10; count++) {
    jobs.parts.jobs.news.tell(jobId, { kind: 'audit', place: null, nodeId: null, text: `${count}`, atMs: 1 })
  }
  const { items, next } = await follow(jobId)
  assert.equal(items.length, NEWS_PER_JOB)
  const rest = await follow(jobId, next)
  assert.equal([...items, ...rest.items].at(-1)?.text, `${NEWS_PER_JOB * 2 + 9}`)
  assert.deepEqual(await follow(jobId, Number.MAX_SAFE_INTEGER), {
    items: [],
    next: rest.items.at(-1)?.sequence ?? next,
  })
})

test('what an earlier job made is told of in one sentence, and of a job that is over the newest are kept', async () => {
  const { jobs, follow } = await setup()
  await jobs.submit({ frames: 3 })
  await jobs.floor.hello('a')
  for (const fence of [1, 2, 3]) await jobs.floor.finish('a', fence)
  const again = await jobs.submit({ frames: 3 })
  const { items } = await follow(again)
  assert.deepEqual(
    items.map(({ text }) => text),
    [
      'The job began: 3 tasks.',
      '3 tasks were made before; nothing is owed for them.',
      'The job is complete, for 0.00 USD.',
    ],
  )
  const last = items.at(-1)?.sequence ?? 0
  assert.deepEqual([items[1]?.sequence, items[2]?.sequence], [last - 1, last])
  for (let count = 0; count < 1_000; count++) {
    jobs.parts.jobs.news.tell(again, { kind: 'audit', place: null, nodeId: null, text: 'x', atMs: 1 })
  }
  assert.ok((await follow(again)).items.length < 200)
})

async function setup() {
  const jobs = await TestJobs.open()
  type How = { waitMs?: number; signal?: AbortSignal; caller?: typeof developer }
  const follow = (jobId: string, after?: number, { waitMs, signal, caller }: How = {}) => {
    const query = { ...(after !== undefined && { after }), ...(waitMs !== undefined && { waitMs }) }
    const context = contextOf('followJob', signal)
    return jobs.answer(jobs.api.followJob({ params: { jobId }, query }, caller ?? viewer, context))
  }
  return { jobs, follow }
}

const viewer = callerOf(PAYER, 'viewer')

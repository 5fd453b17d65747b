import assert from 'node:assert/strict'
import { test } from 'node:test'
import { consumerAccount } from '#ledger/ledger.ts'
import { PAYER } from '#sim/test-world.ts'
import { crash } from '#work/test-farm.ts'
import { grantsIn, stepOf } from '../work/test-floor.ts'
import { callerOf, contextOf, developer, operator, stranger, TestJobs } from './test-jobs.ts'

test('a job holds its cap, is given to a node that waits, and is shown as it goes on', async () => {
  const jobs = await TestJobs.open()
  await jobs.floor.hello('a')
  const jobId = await jobs.submit({ frames: 4, cap: 9_000n })
  await jobs.floor.world.run(20)
  const [first] = grantsIn(jobs.floor.told('a'))
  assert.equal(first?.jobId, jobId)
  await jobs.floor.say('a', { kind: 'beat', held: [{ fence: 1, fraction: 0.5 }], room: 0 })
  const job = await read(jobs, jobId)
  assert.deepEqual([job.status, job.nodes, job.progress, job.held], ['active', 1, 0.125, 9_000n])
  assert.equal(job.etaMs, 3_500)
  await jobs.floor.finish('a', 1)
  const later = await read(jobs, jobId)
  assert.deepEqual([later.spent, later.held, later.lastOutput?.name], [1_000n, 8_000n, '1.png'])
  const [step] = later.steps
  assert.deepEqual([step?.tasks, step?.done, step?.running, step?.ready], [4, 1, 2, 1])
  assert.ok(later.efficiency !== null && later.efficiency > 0 && later.efficiency <= 1)
})

test('a quote makes one job: asked again it is the same, with another cap it is refused', async () => {
  const jobs = await TestJobs.open()
  jobs.quotes.set('q', { cap: 9_000n })
  const make = (cap?: bigint) =>
    jobs.answer(
      jobs.api.createJob(
        { body: { quoteId: 'q', priority: 50, ...(cap !== undefined && { cap }) } },
        developer,
        contextOf('createJob'),
      ),
    )
  const { jobId } = await make()
  assert.equal((await make()).jobId, jobId)
  assert.equal((await make(9_000n)).jobId, jobId)
  const body = { quoteId: 'q', priority: 50 }
  await assert.rejects(
    async () => await jobs.answer(jobs.api.createJob({ body }, stranger, contextOf('createJob'))),
    { code: 'not_found', message: /no quote q/ },
  )
  await assert.rejects(make(9_001n), { code: 'conflict', message: /another cap/ })
  assert.equal(jobs.floor.account(consumerAccount(PAYER)).held, 9_000n)
})

test('what is not there to pay it makes no job', async () => {
  const jobs = await TestJobs.open({ balance: 5_000n })
  await assert.rejects(jobs.submit({ cap: 5_001n }), {
    code: 'funds_insufficient',
    message: /0\.000005001 USD is held .* 0\.000005 USD of the organisation’s balance/,
  })
  assert.equal(jobs.floor.state.work.jobs.size, 0)
})

test('acts are in the organisation’s log, repeats that change nothing are not', async () => {
  const jobs = await TestJobs.open()
  const jobId = await jobs.submit()
  const { api } = jobs
  const params = { jobId }
  for (const _ of [1, 2]) {
    await jobs.answer(api.pauseJob({ params, body: {} }, developer, contextOf('pauseJob')))
    await jobs.answer(
      api.setJobPriority({ params, body: { priority: 80 } }, operator, contextOf('setJobPriority')),
    )
  }
  const head = jobs.floor.state.audit.heads.get(PAYER)
  assert.equal(head?.sequence, 3)
})

test('one who may not see a job cannot read, change or list it, nor can anybody what is the network’s own', async () => {
  const jobs = await TestJobs.open()
  const jobId = await jobs.submit()
  for (const purpose of ['probe', 'audit'] as const) {
    await jobs.floor.submit({ ...planFor(`job_${purpose}`), purpose, cap: null })
  }
  const { api } = jobs
  for (const [caller, id] of [
    [stranger, jobId],
    [stranger, 'job_probe'],
    [developer, 'job_probe'],
    [operator, 'job_audit'],
    [operator, 'job_none'],
  ] as const) {
    const params = { jobId: id }
    const at = { jobId: id, step: '0', task: '0' }
    const calls = [
      () => api.getJob({ params }, caller, contextOf('getJob')),
      () => api.listJobTasks({ params, query: {} }, caller, contextOf('listJobTasks')),
      () => api.followJob({ params, query: { waitMs: 1_000 } }, caller, contextOf('followJob')),
      () => api.whyTask({ params: at }, caller, contextOf('whyTask')),
      () => api.pauseJob({ params, body: {} }, caller, contextOf('pauseJob')),
      () => api.resumeJob({ params, body: {} }, caller, contextOf('resumeJob')),
      () => api.cancelJob({ params, body: {} }, caller, contextOf('cancelJob')),
      () => api.requeueTasks({ params, body: {} }, caller, contextOf('requeueTasks')),
      () => api.setJobCap({ params, body: { cap: 1n } }, caller, contextOf('setJobCap')),
      () => api.setJobPriority({ params, body: { priority: 1 } }, caller, contextOf('setJobPriority')),
      () => api.rejectTask({ params: at, body: { reason: 'r' } }, caller, contextOf('rejectTask')),
    ]
    for (const call of calls) {
      await assert.rejects(async () => await jobs.answer(call()), { code: 'not_found' }, call.toString())
    }
  }
  assert.equal(jobs.floor.job(jobId).status, 'active')
  const seen = async (caller = developer, organisationId?: string) => {
    const query = organisationId === undefined ? {} : { organisationId }
    const { items } = await jobs.answer(api.listJobs({ query }, caller, contextOf('listJobs')))
    return items.map((job) => job.jobId)
  }
  assert.deepEqual(await seen(), [jobId])
  assert.deepEqual(await seen(operator), [jobId])
  assert.deepEqual(await seen(operator, 'org_stranger'), [])
  assert.deepEqual(await seen(stranger), [])
  await assert.rejects(seen(stranger, PAYER), { code: 'not_found' })
})

test('jobs are listed newest first, page by page, by status if asked', async () => {
  const jobs = await TestJobs.open()
  const ids: string[] = []
  for (let count = 0; count < 5; count++) {
    await jobs.floor.world.run(1)
    ids.unshift(await jobs.submit({ frames: 1 }))
  }
  const list = async (query: { limit?: number; before?: string; status?: 'paused' }) => {
    const page = await jobs.answer(jobs.api.listJobs({ query }, developer, contextOf('listJobs')))
    return { ids: page.items.map(({ jobId }) => jobId), next: page.next }
  }
  const first = await list({ limit: 2 })
  assert.deepEqual(first.ids, ids.slice(0, 2))
  // A page goes on where the one before ended, though a newer job came.
  await jobs.submit({ frames: 1 })
  const second = await list({ limit: 2, before: first.next ?? '' })
  assert.deepEqual(second.ids, ids.slice(2, 4))
  assert.deepEqual(await list({ limit: 2, before: second.next ?? '' }), { ids: ids.slice(4), next: null })
  const params = { jobId: ids[3] ?? '' }
  await jobs.answer(jobs.api.pauseJob({ params, body: {} }, developer, contextOf('pauseJob')))
  assert.deepEqual((await list({ status: 'paused' })).ids, [ids[3]])
  await assert.rejects(list({ before: 'nonsense' }), { code: 'invalid_request' })
})

test('tasks are listed by step and state, page by page', async () => {
  const jobs = await TestJobs.open()
  const film = stepOf({ name: 'film', dependsOn: [0], takesResults: true })
  const jobId = await jobs.submit({ steps: [stepOf({ frames: 5 }), film] })
  await jobs.floor.hello('a')
  await jobs.floor.finish('a', 1)
  type Query = Parameters<TestJobs['api']['listJobTasks']>[0]['query']
  const list = async (query: Query) => {
    const page = await jobs.answer(
      jobs.api.listJobTasks({ params: { jobId }, query }, developer, contextOf('listJobTasks')),
    )
    return { places: page.items.map(({ step, task }) => `${step}.${task}`), next: page.next, page }
  }
  const first = await list({ limit: 4 })
  assert.deepEqual([first.places, first.next], [['0.0', '0.1', '0.2', '0.3'], '0.3'])
  assert.deepEqual((await list({ limit: 4, before: '0.3' })).places, ['0.4', '1.0'])
  assert.deepEqual((await list({ state: 'blocked' })).places, ['1.0'])
  assert.deepEqual((await list({ step: 1, state: 'ready' })).places, [])
  const done = await list({ state: 'done' })
  assert.deepEqual([done.places, done.next], [['0.0'], null])
  const [task] = done.page.items
  assert.deepEqual([task?.nodeId, task?.charge, task?.outputs[0]?.name], ['a', 1_000n, '1.png'])
  const [running] = (await list({ state: 'leased', limit: 1 })).page.items
  assert.deepEqual(
    running?.attempts.map(({ nodeId, isCopy }) => [nodeId, isCopy]),
    [['a', false]],
  )
  await assert.rejects(list({ before: '0.x' }), { code: 'invalid_request' })
})

test('a job is paused, goes on, costs more and ends as it is told to', async () => {
  const jobs = await TestJobs.open()
  const jobId = await jobs.submit({ frames: 2, cap: 1_300n })
  const params = { jobId }
  const { api } = jobs
  await jobs.floor.hello('a')
  assert.equal((await read(jobs, jobId)).nodes, 1)
  const paused = await jobs.answer(api.pauseJob({ params, body: {} }, developer, contextOf('pauseJob')))
  assert.deepEqual([paused.status, paused.pause?.reason], ['paused', 'asked'])
  await jobs.floor.finish('a', 1)
  assert.deepEqual(grantsIn(await jobs.floor.beat('a')), [])
  const resumed = await jobs.answer(api.resumeJob({ params, body: {} }, developer, contextOf('resumeJob')))
  assert.equal(resumed.status, 'active')
  const why = await jobs.answer(
    api.whyTask({ params: { jobId, step: '0', task: '1' } }, developer, contextOf('whyTask')),
  )
  assert.deepEqual([why.state, why.job], ['ready', 'cap_reached'])
  assert.match(why.sentence, /^Frame 2 is ready\. What it may cost is more than is left/)
  const raised = await jobs.answer(
    api.setJobCap({ params, body: { cap: 5_000n } }, developer, contextOf('setJobCap')),
  )
  assert.deepEqual([raised.cap, raised.held], [5_000n, 4_000n])
  // The node that waited has it at once.
  await jobs.floor.world.run(20)
  assert.equal(grantsIn(jobs.floor.told('a')).length, 1)
  await assert.rejects(
    async () =>
      await jobs.answer(
        api.setJobCap({ params, body: { cap: 10n ** 15n } }, developer, contextOf('setJobCap')),
      ),
    { code: 'funds_insufficient' },
  )
  const cancelled = await jobs.answer(api.cancelJob({ params, body: {} }, developer, contextOf('cancelJob')))
  assert.deepEqual([cancelled.status, cancelled.held, cancelled.spent], ['cancelled', 0n, 1_000n])
  assert.deepEqual([cancelled.progress, cancelled.etaMs], [0.5, null])
  await assert.rejects(
    async () => await jobs.answer(api.resumeJob({ params, body: {} }, developer, contextOf('resumeJob'))),
    { code: 'conflict', message: /is cancelled, and stays so/ },
  )
  const again = await jobs.answer(api.cancelJob({ params, body: {} }, developer, contextOf('cancelJob')))
  assert.equal(again.status, 'cancelled')
})

test('tasks that failed are tried again when somebody asks, and no others', async () => {
  const jobs = await TestJobs.open()
  const jobId = await jobs.submit({ frames: 1 })
  const params = { jobId }
  await jobs.floor.hello('a')
  await jobs.floor.say('a', { kind: 'fail', fence: 1, failure: crash })
  const job = await read(jobs, jobId)
  assert.deepEqual([job.status, job.pause?.reason], ['paused', 'no_node_left'])
  assert.match(job.pause?.detail ?? '', /signal 11[\s\S]*\n {2}BVH build/)
  assert.equal(job.redispatched, 1)
  const requeue = (tasks?: { step: number; task: number }[]) =>
    jobs.answer(
      jobs.api.requeueTasks(
        { params, body: { ...(tasks && { tasks }) } },
        developer,
        contextOf('requeueTasks'),
      ),
    )
  await assert.rejects(requeue([{ step: 0, task: 7 }]), { code: 'not_found', message: /no such task/ })
  const acts = () => jobs.floor.state.audit.heads.get(PAYER)?.sequence ?? 0
  const actsBefore = acts()
  const [step] = (await requeue([{ step: 0, task: 0 }])).steps
  assert.equal(acts(), actsBefore + 1)
  assert.deepEqual([step?.failed, step?.ready], [0, 1])
  await assert.rejects(requeue([{ step: 0, task: 0 }]), { code: 'conflict', message: /has not failed/ })
  assert.equal((await requeue()).steps[0]?.ready, 1)
})

test('a result that somebody says is wrong is looked at; what is not there cannot be', async () => {
  const jobs = await TestJobs.open()
  const jobId = await jobs.submit({ frames: 1 })
  await jobs.floor.hello('a')
  await jobs.floor.finish('a', 1)
  const reject = (step: string, task: string) =>
    jobs.answer(
      jobs.api.rejectTask(
        { params: { jobId, step, task }, body: { reason: 'too dark' } },
        developer,
        contextOf('rejectTask'),
      ),
    )
  assert.equal((await reject('0', '0')).state, 'done')
  assert.deepEqual(jobs.rejected, [{ jobId, step: 0, task: 0, reason: 'too dark' }])
  for (const [step, task, says] of [
    ['1', '0', /no step 1: it has 0 alone/],
    ['-1', '0', /no step -1/],
    ['0', '1', /no task 1: it has 0 alone/],
    ['0', '0x0', /no task 0x0/],
    ['__proto__', '0', /no step __proto__/],
  ] as const) {
    await assert.rejects(reject(step, task), { code: 'not_found', message: says })
  }
})

const planFor = (jobId: string) => ({
  jobId,
  organisationId: PAYER,
  name: 'own',
  priority: 50,
  pricePerHour: 3_600_000n,
  isIdempotent: true,
  isVerified: false,
  steps: [stepOf()],
})

const read = (jobs: TestJobs, jobId: string, caller = callerOf(PAYER, 'viewer')) =>
  jobs.answer(jobs.api.getJob({ params: { jobId } }, caller, contextOf('getJob')))

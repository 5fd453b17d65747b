import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toCanonical } from '#kernel/canonical.ts'
import { DAY_MS } from '#kernel/time.ts'
import type { KeyLimits } from '#protocol/key-limits.ts'
import { PAYER } from '#sim/test-world.ts'
import { checkState } from '../coordinator-state.ts'
import { createFeed } from '../feed.ts'
import { keyLeft } from '../work/job-spend.ts'
import { callerOf, contextOf, TestJobs } from './test-jobs.ts'

test('a job may cost what is left of its key’s limit, and no more', async () => {
  const { make } = await setup({ spendPerDay: 5_000n, spendPerMonth: 9_000n })
  await assert.rejects(make({ cap: 5_001n }), {
    code: 'spend_limited',
    message:
      /may spend \$0\.000005 per day, of which \$0\.000005 are left; this job may cost up to \$0\.000005001\. Take a lower cap/,
  })
  await make({ cap: 5_000n })
})

test('of a day and a month the one counts that leaves less', async () => {
  const { make } = await setup({ spendPerDay: 5_000n, spendPerMonth: 3_000n })
  await assert.rejects(make({ cap: 3_001n }), { code: 'spend_limited', message: /per month, of which/ })
})

test('jobs of one key together stay within its limit, until they are over', async () => {
  const { jobs, make } = await setup({ spendPerDay: 5_000n })
  const jobId = await make({ cap: 3_000n })
  await assert.rejects(make({ cap: 2_001n }), {
    code: 'spend_limited',
    message: /\$0\.000002 are left, with \$0\.000003 set aside for its other jobs/,
  })
  const { api } = jobs
  await jobs.answer(api.cancelJob({ params: { jobId }, body: {} }, LIMITED, contextOf('cancelJob')))
  await make({ cap: 5_000n })
})

test('a key without such limits, and one of another line, are not limited by it', async () => {
  const { make, addKey } = await setup({ spendPerDay: 1n })
  await addKey('other', { tokensPerDay: 1 })
  await make({ cap: 9_000n }, 'other')
})

test('what a task was paid counts for the key, tells its alerts, and is told to gateways', async () => {
  const { jobs, make, use, told } = await setup({ spendPerDay: 4_300n })
  await make({ frames: 4, cap: 4_300n })
  const { floor } = jobs
  const feed = createFeed(floor.service.coordinator)
  const { version } = feed.since({ epoch: 0, version: 0 })
  await floor.hello('a')
  await floor.finish('a', 1)
  assert.deepEqual([use()?.spend, use()?.monthSpend, use()?.tokens], [1_000n, 1_000n, 0])
  await floor.finish('a', 2)
  assert.deepEqual(told(), [])
  await floor.finish('a', 3)
  assert.deepEqual(told(), [50])
  const followed = feed.since({ epoch: floor.service.coordinator.journal.epoch, version }).keys
  assert.deepEqual(
    followed.map(({ id, use: sent, promised }) => [id, sent?.spend, promised]),
    [['limited', 3_000n, 1_300n]],
  )
  await floor.finish('a', 4)
  assert.deepEqual(told(), [50, 80])
  await assert.rejects(make({ cap: 301n }), {
    code: 'spend_limited',
    message: /\$0\.0000003 are left; this job/,
  })
  const tomorrow = { keyId: LIMITED.keyId, nowMs: floor.nowMs() + DAY_MS }
  assert.equal(keyLeft(floor.state, tomorrow)?.left, 4_300n)
})

test('what comes back lowers the use, and what it no longer reaches is told again', async () => {
  const { jobs, make, use, told } = await setup({ spendPerDay: 2_000n })
  const jobId = await make({ frames: 2, cap: 2_000n, isVerified: true })
  const { floor } = jobs
  const place = { jobId, step: 0, task: 0, nowMs: floor.nowMs() }
  await floor.hello('a')
  await floor.finish('a', 1)
  assert.deepEqual([use()?.spend, told()], [1_000n, [50]])
  assert.equal(await floor.command({ kind: 'judge', ...place, isGood: false, isChecked: true }), null)
  checkState(floor.state)
  assert.deepEqual([use()?.spend, use()?.monthSpend], [0n, 0n])
  await assert.rejects(make({ cap: 1n }), { code: 'spend_limited' }, 'it is set aside once more')
  const before = toCanonical(floor.state.organisations)
  await floor.restart()
  assert.equal(toCanonical(floor.state.organisations), before)
})

test('a cap is raised as far as the limit of the job’s own key goes, by whoever may', async () => {
  const { jobs, make, addKey } = await setup({ spendPerDay: 5_000n })
  await addKey('narrow', { spendPerDay: 9_000n })
  await addKey('free', {})
  const jobId = await make({ cap: 2_000n })
  const raise = (cap: bigint, keyId = LIMITED.keyId) =>
    jobs.answer(
      jobs.api.setJobCap({ params: { jobId }, body: { cap } }, { ...LIMITED, keyId }, contextOf('setJobCap')),
    )
  await assert.rejects(raise(5_001n), { code: 'spend_limited', message: /\$0\.000005 are left; this job/ })
  await assert.rejects(raise(5_001n, 'free'), { code: 'spend_limited' })
  await assert.rejects(raise(3_000n, 'narrow'), { code: 'spend_limited', message: /counts for another key/ })
  assert.equal((await raise(5_000n)).cap, 5_000n)
  assert.equal((await raise(1_000n, 'narrow')).cap, 1_000n)
  assert.equal((await raise(4_000n, 'free')).cap, 4_000n)
})

const LIMITED = { ...callerOf(PAYER, 'developer'), keyId: 'limited' }

/** The key `limited` has `limits`; `told` are the shares of the day that it was told of, `use` is what it used. */
async function setup(limits: KeyLimits) {
  const jobs = await TestJobs.open()
  const { coordinator } = jobs.floor.service
  const addKey = async (keyId: string, itsLimits: KeyLimits): Promise<void> => {
    const key = { keyId, name: keyId, hash: `hash of ${keyId}`, hint: 'h', organisationId: PAYER }
    coordinator.execute((turn) => {
      const made = { kind: 'create_key', ...key, scopes: ['developer'], limits: itsLimits } as const
      assert.equal(turn.organisations({ ...made, nowMs: turn.nowMs }), null)
    })
    await jobs.floor.world.run(20)
  }
  await addKey('limited', limits)
  return {
    jobs,
    addKey,
    make: (plan: Parameters<TestJobs['submit']>[0], keyId = LIMITED.keyId) =>
      jobs.submit(plan, { ...LIMITED, keyId }),
    use: () => jobs.floor.state.organisations.use.get('limited'),
    told: () => [...(jobs.floor.state.organisations.told.get('limited')?.day?.limits.keys() ?? [])],
  }
}

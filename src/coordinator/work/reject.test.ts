import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { NANO_PER_USD } from '#kernel/money.ts'
import { consumerAccount, providerAccount } from '#ledger/ledger.ts'
import { recordOf } from '#verify/verify.ts'
import { checkState } from '../coordinator-state.ts'
import { releasePay } from './holdback.ts'
import { enrol, openInspected, truth, verifiedPlan, work } from './test-inspected.ts'

describe('a result of a job that is over, which its customer rejects', () => {
  test('is looked at once: what another owner found good is good, for its maker’s record and the network’s money too', async () => {
    const { inspected, reject, look } = await setup(truth)
    assert.equal(await reject(), null)
    await look()
    const { floor } = inspected
    assert.equal(recordOf(floor.state.verify, 'a').passed, 1)
    const audits = auditsOf(inspected)
    assert.equal(await reject(), 'checked_already')
    await look()
    assert.deepEqual([recordOf(floor.state.verify, 'a').passed, auditsOf(inspected)], [1, audits])
    await floor.restart()
    assert.equal(await reject(), 'checked_already')
  })

  for (const isAged of [false, true]) {
    test(`and that is false comes back, ${isAged ? 'though its pay was its owner’s by then' : 'all of it'}, and once`, async () => {
      const { inspected, reject, look } = await setup(() => 'c')
      const { floor } = inspected
      const balance = () => floor.account(consumerAccount('org_payer')).available
      assert.equal(balance() < NANO_PER_USD, true)
      if (isAged)
        floor.service.coordinator.execute((turn) =>
          releasePay(turn, { jobId: 'job_1', step: 0, task: 0, fence: 1 }, 'a'),
        )
      assert.equal(await reject(), null)
      await look()
      assert.equal(recordOf(floor.state.verify, 'a').failed, 1)
      assert.equal(balance(), NANO_PER_USD)
      const { available, held } = floor.account(providerAccount('org_provider'))
      assert.deepEqual([available, held], [0n, 0n])
      // Nothing is rendered again: the job stays as it is.
      assert.deepEqual([floor.job().status, floor.job().steps[0]?.tasks[0]?.state], ['completed', 'done'])
      assert.equal(await reject(), 'settled_already')
      checkState(floor.state)
    })
  }

  test('and whose owner was paid out comes back as far as he has something, with the network’s fee', async () => {
    const { inspected, reject, look } = await setup(() => 'c')
    const { floor } = inspected
    const owner = providerAccount('org_provider')
    const pay = floor.account(owner).held
    floor.service.coordinator.execute((turn) => {
      releasePay(turn, { jobId: 'job_1', step: 0, task: 0, fence: 1 }, 'a')
      const paidOut = { transferId: 'out', debitAccountId: owner, creditAccountId: 'external:test' }
      turn.ledger({
        ...{ kind: 'transfer', ...paidOut, amount: pay - 1n, memo: '' },
        ...{ createdAtMs: turn.nowMs, nowMs: turn.nowMs },
      })
    })
    const balance = () => floor.account(consumerAccount('org_payer')).available
    const had = balance()
    assert.equal(await reject(), null)
    await look()
    assert.equal(recordOf(floor.state.verify, 'a').failed, 1)
    assert.deepEqual([floor.account(owner).available, balance() - had], [0n, floor.job().spent - pay + 1n])
    checkState(floor.state)
  })

  test('and whose pay was lost with another lie of its node is settled: it came back already', async () => {
    const { inspected, reject, look } = await setup(() => 'c', 2)
    const { floor } = inspected
    assert.equal(await reject(0), null)
    await look()
    assert.equal(recordOf(floor.state.verify, 'a').failed, 1)
    assert.equal(await reject(1), 'settled_already')
  })

  test('cannot be compared where it is to be larger than what is looked at, and who rejects it is told so', async () => {
    const settings = { width: 8_192, height: 8_192 }
    const { reject } = await setup(truth, 1, settings)
    assert.equal(await reject(), 'not_comparable')
    const { reject: rejectSmaller } = await setup(truth, 1, { width: 7_680, height: 4_320 })
    assert.equal(await rejectSmaller(), null)
  })

  test('is never looked at by nodes of its own customer', async () => {
    const { inspected, reject, look } = await setup(() => 'c')
    const { floor } = inspected
    await enrol(floor, ['p'], () => 'org_payer')
    await floor.hello('p')
    const before = floor.grants.length
    assert.equal(await reject(), null)
    await look(['p'])
    assert.equal(floor.grants.length, before)
    assert.equal(recordOf(floor.state.verify, 'a').failed, 0)
  })
})

type Shows = Parameters<typeof work>[2]

const auditsOf = ({ floor }: Awaited<ReturnType<typeof openInspected>>): number =>
  [...floor.state.work.jobs.values()].filter(({ purpose }) => purpose === 'audit').length

/** With a job that is over, of which nobody looked at anything: all of it is node `a`’s, and shows what `made` says. */
async function setup(made: (grant: Parameters<Shows>[1]) => string, frames = 1, settings = {}) {
  const inspected = await openInspected()
  const { floor } = inspected
  await enrol(floor, ['c', 'd'])
  // Those of others have been there for long, and none of them renders.
  await floor.world.run(90_000)
  const plan = verifiedPlan(frames)
  await floor.submit({ ...plan, steps: plan.steps.map((step) => ({ ...step, settings })) })
  await floor.hello('a')
  await work(inspected, ['a'], (_, grant) => made(grant), frames)
  await work(inspected, ['a'], (_, grant) => made(grant), 2, 1_000)
  assert.equal(floor.job().status, 'completed')
  return {
    inspected,
    reject: inspected.reject,
    async look(nodes: readonly string[] = ['c', 'd']) {
      for (const nodeId of nodes) await floor.hello(nodeId)
      await work(inspected, nodes, (_, grant) => truth(grant), 6)
    },
  }
}

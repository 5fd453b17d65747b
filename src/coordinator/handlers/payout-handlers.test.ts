import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EXTERNAL_TEST, providerAccount } from '#ledger/ledger.ts'
import { PROVIDER } from '#sim/test-world.ts'
import { answerPayId } from '../answers/check-answer-pay.ts'
import { payHoldId } from '../work/check-held-pay.ts'
import { payoutHandlers } from './payout-handlers.ts'
import { contextOf, operator, TestJobs } from './test-jobs.ts'

const byVerification = [answerPayId('node_1', 1), payHoldId({ jobId: 'job_1', step: 0, task: 1, fence: 1 })]

for (const holdbackId of byVerification) {
  test(`what verification holds back as ${holdbackId} is not released by hand, nor made`, async () => {
    const { jobs, api, turn, holds } = await setup()
    turn((it) => it.ledger({ kind: 'hold_back', holdbackId, accountId, amount: 7n, nowMs: it.nowMs }))
    const release = api.releaseHoldback({ params: { holdbackId } }, operator, contextOf('releaseHoldback'))
    await assert.rejects(jobs.answer(release), { code: 'conflict', message: /of verification/ })
    assert.deepEqual(holds(), [7n])
    const body = { holdbackId: `${holdbackId}0`, amount: 1n, reason: 'r' }
    const make = api.holdBackPay({ params: { accountId }, body }, operator, contextOf('holdBackPay'))
    await assert.rejects(jobs.answer(make), { code: 'conflict', message: /of verification/ })
  })
}

test('what an operator held back is released again', async () => {
  const { jobs, api, holds } = await setup()
  const body = { holdbackId: 'tasks', amount: 3n, reason: 'r' }
  await jobs.answer(api.holdBackPay({ params: { accountId }, body }, operator, contextOf('holdBackPay')))
  assert.deepEqual(holds(), [3n])
  const params = { holdbackId: 'tasks' }
  await jobs.answer(api.releaseHoldback({ params }, operator, contextOf('releaseHoldback')))
  assert.deepEqual(holds(), [])
})

const accountId = providerAccount(PROVIDER)

async function setup() {
  const jobs = await TestJobs.open()
  const { coordinator } = jobs.floor.service
  const { ledger } = coordinator.state
  const turn: typeof coordinator.execute = (...it) => coordinator.execute(...it)
  turn(({ ledger: book, nowMs }) => {
    const paid = { transferId: 'pay', debitAccountId: EXTERNAL_TEST, creditAccountId: accountId, memo: '' }
    const times = { createdAtMs: nowMs, nowMs }
    assert.equal(book({ kind: 'transfer', ...paid, amount: 100n, ...times }), null)
  })
  return {
    jobs,
    turn,
    api: payoutHandlers({ ...jobs.parts } as never),
    holds: () =>
      [...ledger.holds.values()].filter((hold) => hold.accountId === accountId).map(({ left }) => left),
  }
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DAY_MS } from '#kernel/time.ts'
import { EXTERNAL_TEST, providerAccount } from '#ledger/ledger.ts'
import type { Payout } from '#protocol/payout.ts'
import { PROVIDER } from '#sim/test-world.ts'
import { answerPayId } from '../answers/check-answer-pay.ts'
import { payHoldId } from '../work/check-held-pay.ts'
import { payoutHandlers } from './payout-handlers.ts'
import { callerOf, contextOf, operator, TestJobs } from './test-jobs.ts'

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

test('a payout is asked for once, also when the ledger has forgotten it since', async () => {
  const { jobs, api, turn, kept, requests } = await setup()
  let laterMs = 0
  const ask = (change: object = {}) => {
    // Whoever repeats it says that it is of now, as the command line does.
    const createdAtMs = jobs.floor.service.coordinator.nowMs() + laterMs
    const body = { requestId: 'october', createdAtMs, amount: 60n, destination: 'IBAN', ...change }
    return jobs.answer(api.requestPayout({ body }, provider, contextOf('requestPayout')))
  }
  const payout = await ask()
  const { payoutId } = payout
  assert.equal((await ask()).payoutId, payoutId)
  const paid = { externalReference: 'bank 1' }
  const settled = await jobs.answer(
    api.payPayout({ params: { payoutId }, body: paid }, operator, contextOf('payPayout')),
  )
  kept.set(payoutId, settled)
  laterMs = 91 * DAY_MS
  turn((it) => it.ledger({ kind: 'forget_payouts', nowMs: it.nowMs + laterMs }))
  assert.deepEqual(requests(), [])
  assert.deepEqual(await ask(), settled)
  assert.deepEqual(requests(), [], 'nothing is asked for again')
  await assert.rejects(ask({ amount: 61n }), { code: 'conflict', message: /used for another payout/ })
  assert.notEqual((await ask({ requestId: 'november', amount: 40n })).payoutId, payoutId)
})

test('a list of holdbacks goes on where it was, when the one that ended a page is released meanwhile', async () => {
  const { jobs, api, turn } = await setup()
  const make = (holdbackId: string) =>
    turn((it) => it.ledger({ kind: 'hold_back', holdbackId, accountId, amount: 1n, nowMs: it.nowMs }))
  for (const id of ['a', 'b', 'c', 'd']) make(id)
  const page = (query: object) =>
    jobs.answer(api.listHoldbacks({ params: { accountId }, query }, operator, contextOf('listHoldbacks')))
  const first = await page({ limit: 2 })
  assert.equal(first.next, 'b')
  turn((it) => it.ledger({ kind: 'release_holdback', holdbackId: 'b' }))
  const second = await page({ limit: 2, before: first.next })
  assert.deepEqual([second.items.map(({ holdbackId }) => holdbackId), second.next], [['c', 'd'], null])
})

const accountId = providerAccount(PROVIDER)
const provider = callerOf(PROVIDER, 'owner')

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
  const kept = new Map<string, Payout>()
  const queries = { payout: async (payoutId: string) => kept.get(payoutId) ?? null }
  return {
    jobs,
    turn,
    kept,
    requests: () => [...ledger.payouts.keys()],
    api: payoutHandlers({ ...jobs.parts, queries, payoutMin: 1n } as never),
    holds: () =>
      [...ledger.holds.values()].filter((hold) => hold.accountId === accountId).map(({ left }) => left),
  }
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NanoUsd } from '#kernel/money.ts'
import { consumerAccount, EXTERNAL_TEST, NETWORK_FEES, providerAccount } from '#ledger/ledger.ts'
import { foundCell, PAYER, PROVIDER } from '#sim/test-world.ts'
import { emptyState } from '../coordinator-state.ts'
import { openOrganisation } from '../open-organisation.ts'
import { startTurn } from '../turn.ts'
import { feeRefundTransfer, forfeitTransfer, refundTransfer, taskTransfer } from '../work/task-transfer.ts'
import { evolveJobPromises } from './job-promises.ts'

const OTHER = 'org_other'

test('what nodes of others are paid for a job is its charge, with the network’s part, until it comes back', () => {
  const { pay, back, forfeit, charges } = setup()
  pay(0, OTHER)
  pay(1, OTHER)
  pay(2, OTHER)
  assert.equal(charges(), 3_000n)
  back(0, OTHER)
  assert.equal(charges(), 2_000n)
  forfeit(1, OTHER, consumerAccount(PROVIDER))
  assert.equal(charges(), 1_050n, 'the network keeps its part')
  forfeit(2, OTHER, NETWORK_FEES)
  assert.equal(charges(), 1_050n, 'what the network gets was paid')
})

test('what the job’s own nodes are paid is no charge, nor is the network’s part of it, there and back', () => {
  const { pay, back, forfeit, charges } = setup()
  pay(0, OTHER)
  pay(1, PROVIDER)
  assert.equal(charges(), 1_000n)
  back(1, PROVIDER)
  assert.equal(charges(), 1_000n)
  back(0, OTHER)
  assert.equal(charges(), 0n)
  pay(2, PROVIDER)
  forfeit(2, PROVIDER, consumerAccount(PROVIDER))
  assert.equal(charges(), 0n)
})

test('to the operator its own nodes are the network, as they are for its requests', () => {
  const { pay, charges } = setup(PAYER)
  pay(0, PAYER)
  assert.equal(charges(), 1_000n)
})

test('a job whose customer puts it behind others is promised nothing, and any other is', () => {
  const state = emptyState()
  const nowMs = 1_800_000_000_000
  foundCell(startTurn(state, nowMs, []))
  state.sla.classes.set(PAYER, 'enterprise')
  const isPromised = (part: { tier?: 'trusted' | 'priority' | 'economy'; priority?: number }) => {
    const jobId = JSON.stringify(part)
    const plan = { jobId, organisationId: PAYER, name: 'job', priority: 50, steps: [], ...part }
    evolveJobPromises(state, { type: 'work.job_submitted', ...plan, atMs: nowMs } as never)
    return state.sla.jobs.has(jobId)
  }
  assert.deepEqual(
    [isPromised({ tier: 'priority' }), isPromised({ tier: 'trusted', priority: 51 }), isPromised({})],
    [true, true, true],
  )
  assert.deepEqual(
    [isPromised({ tier: 'economy' }), isPromised({ tier: 'trusted', priority: 49 })],
    [false, false],
  )
})

/** A job of `customer`, each of whose tasks costs 1,000, of which the network takes 50. */
function setup(customer = PROVIDER) {
  const state = emptyState()
  const nowMs = 1_800_000_000_000
  const turn = startTurn(state, nowMs, [])
  foundCell(turn)
  // Who founded the network is the operator.
  openOrganisation(startTurn(state, nowMs + 1, []), { organisationId: OTHER, name: 'other' })
  turn.ledger({
    ...{
      kind: 'transfer',
      transferId: 'deposit',
      debitAccountId: EXTERNAL_TEST,
      memo: '',
      createdAtMs: nowMs,
    },
    ...{ creditAccountId: consumerAccount(customer), amount: 100_000n, nowMs },
  })
  const jobId = 'job_1'
  state.sla.jobs.set(jobId, {
    ...{ jobId, organisationId: customer, slaClass: 'business', submittedAtMs: nowMs, startDueMs: 1 },
    ...{ finishDueMs: 1, startedAtMs: null, endedAtMs: null, isCancelled: false, pausedAtMs: null },
    ...{ pausedBeforeStartMs: 0, pausedMs: 0, charges: 0n },
  })
  const move = (transferId: string, accountId: string, amounts: Record<string, NanoUsd>): void => {
    const payouts = Object.entries(amounts).map(([to, amount]) => ({ accountId: to, amount }))
    const isRefund = !transferId.startsWith('task:')
    const refusal = turn.ledger({
      ...{ kind: 'capture', transferId, accountId, holdId: '', payouts, memo: '', nowMs, isRefund },
    })
    assert.equal(refusal, null)
  }
  const place = (task: number) => ({ step: 0, task })
  return {
    charges: () => state.sla.jobs.get(jobId)?.charges,
    pay: (task: number, owner: string) =>
      move(taskTransfer(jobId, place(task), 1), consumerAccount(customer), {
        [providerAccount(owner)]: 950n,
        [NETWORK_FEES]: 50n,
      }),
    back(task: number, owner: string) {
      const creditor = consumerAccount(customer)
      move(refundTransfer(jobId, place(task), 1), providerAccount(owner), { [creditor]: 950n })
      move(feeRefundTransfer(jobId, place(task), 1), NETWORK_FEES, { [creditor]: 50n })
    },
    forfeit: (task: number, owner: string, creditor: string) =>
      move(forfeitTransfer(jobId, place(task), 1), providerAccount(owner), { [creditor]: 950n }),
  }
}

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { LedgerCommand } from '#ledger/decide-ledger.ts'
import { consumerAccount, NETWORK_FEES, providerAccount } from '#ledger/ledger.ts'
import type { CoordinatorEvent } from '../coordinator-events.ts'
import { checkState, emptyState } from '../coordinator-state.ts'
import { openOrganisation } from '../open-organisation.ts'
import { startTurn } from '../turn.ts'
import { payHoldId } from './check-held-pay.ts'
import { forfeitPay, freeExpired, holdPay, releasePay, verifyIn } from './holdback.ts'

describe('pay of a task', () => {
  test('is held back as it is paid, and cannot be asked for', () => {
    const { turn, earn, provider } = setup()
    earn(1, 30n)
    assert.deepEqual(provider(), { available: 0n, held: 30n })
    const asked: LedgerCommand = {
      kind: 'request_payout',
      payoutId: 'p',
      accountId: providerAccount('maker'),
      amount: 1n,
      minimum: 1n,
      method: 'manual',
      destination: 'here',
      createdAtMs: 1,
      nowMs: 1,
    }
    assert.equal(turn.ledger(asked), 'funds_insufficient')
    checkState(turn.state)
  })

  test('of a community node’s 25th-last result is its owner’s, once the node passed a check after it', () => {
    const { turn, earn, pass, provider } = setup()
    for (let fence = 1; fence <= 24; fence++) earn(fence, 1n)
    for (let at = 0; at < 10; at++) pass(at)
    earn(25, 1n)
    assert.deepEqual(provider(), { available: 1n, held: 24n })
    earn(26, 1n)
    assert.deepEqual(provider(), { available: 2n, held: 24n })
    checkState(turn.state)
  })

  test('of a result that is rejected is there for the same turn to take back', () => {
    const { turn, earn, place, provider } = setup()
    earn(1, 10n)
    earn(2, 7n)
    releasePay(turn, place(1), 'n')
    releasePay(turn, place(9), 'n')
    assert.deepEqual(provider(), { available: 10n, held: 7n })
    checkState(turn.state)
  })

  test('of a node that lied is lost: to its customer for what nobody looked at, to the network for the rest', () => {
    const { turn, earn, place, account, provider } = setup()
    earn(1, 10n)
    earn(2, 7n, true)
    earn(3, 3n)
    releasePay(turn, place(3), 'n')
    forfeitPay(turn, 'n')
    assert.deepEqual(provider(), { available: 3n, held: 0n })
    assert.equal(account(consumerAccount('payer')).available, 1_000n - 20n + 10n)
    assert.equal(account(NETWORK_FEES).available, 7n)
    // It has not earned it.
    assert.equal(turn.state.ledger.earnings.get(providerAccount('maker'))?.earned, 3n)
    checkState(turn.state)
    forfeitPay(turn, 'n')
    assert.equal(account(NETWORK_FEES).available, 7n)
  })

  test('that somebody released by hand, as journals of before allowed, is freed and forfeited all the same', () => {
    const { turn, earn, place } = setup()
    earn(1, 10n)
    earn(2, 7n)
    for (const pay of turn.state.verify.held.get('n')?.values() ?? [])
      assert.equal(turn.ledger({ kind: 'release_holdback', holdbackId: payHoldId(pay) }), null)
    releasePay(turn, place(1), 'n')
    forfeitPay(turn, 'n')
    assert.equal(turn.state.verify.held.get('n')?.size ?? 0, 0)
    checkState(turn.state)
  })

  test('is its owner’s when its job left the memory', () => {
    const { turn, earn, provider } = setup()
    earn(1, 10n)
    freeExpired(turn)
    assert.deepEqual(provider(), { available: 10n, held: 0n })
    checkState(turn.state)
  })
})

test('pay that is held back in one book alone is found', () => {
  const { turn, earn } = setup()
  earn(1, 10n)
  turn.state.verify.held.clear()
  assert.throws(() => checkState(turn.state), /nobody knows of/)
})

function setup() {
  const events: CoordinatorEvent[] = []
  const turn = startTurn(emptyState(), 5, events)
  for (const organisationId of ['payer', 'maker'])
    openOrganisation(turn, { organisationId, name: organisationId })
  turn.ledger({
    ...{ kind: 'transfer', transferId: 't', debitAccountId: 'external:test', amount: 1_000n, memo: '' },
    ...{ creditAccountId: consumerAccount('payer'), createdAtMs: 1, nowMs: 1 },
  })
  const place = (fence: number) => ({ jobId: 'j', step: 0, task: 0, fence })
  const account = (accountId: string) => {
    const found = turn.state.ledger.accounts.get(accountId)
    assert(found, `${accountId} is there`)
    return found
  }
  return {
    turn,
    place,
    account,
    provider() {
      const { available, held } = account(providerAccount('maker'))
      return { available, held }
    },
    earn(fence: number, amount: bigint, isChecked = false) {
      const accountId = providerAccount('maker')
      const payouts = [{ accountId, amount }]
      const pay = {
        transferId: `pay ${fence}`,
        accountId: consumerAccount('payer'),
        holdId: '',
        payouts,
        memo: '',
      }
      turn.ledger({ kind: 'capture', ...pay, nowMs: 1 })
      holdPay(turn, {
        place: place(fence),
        nodeId: 'n',
        accountId,
        organisationId: 'payer',
        amount,
        isChecked,
      })
    },
    pass(at: number) {
      const auditId = `a:0:0:${at + 1}`
      const of = { jobId: 'a', step: 0, task: 0, fence: at + 1 }
      const audit = { nodeId: 'n', organisationId: 'maker', picture: '', crops: '' }
      verifyIn(turn, { kind: 'open_audit', place: of, ...audit, nowMs: 9 })
      verifyIn(turn, { kind: 'ask', auditId, auditJobId: auditId, by: 'crops', nowMs: 9 })
      const told = {
        nodeId: 'm',
        organisationId: 'other',
        says: 'same',
        agrees: null,
        detail: '',
        outputs: [],
      } as const
      verifyIn(turn, { kind: 'hear', auditId, auditJobId: auditId, ...told, nowMs: 9 })
    },
  }
}

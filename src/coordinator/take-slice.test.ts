import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkLedger, consumerAccount } from '#ledger/ledger.ts'
import { foundCell, PAYER } from '#sim/test-world.ts'
import { emptyState } from './coordinator-state.ts'
import { renewSlices, returnSlices, SLICE_TTL_MS, takeSlice } from './take-slice.ts'
import { startTurn } from './turn.ts'

const START_MS = 1_800_000_000_000

test('a slice is all that is wanted when the balance has it', () => {
  const { take, balance } = setup()
  assert.deepEqual(take({ needed: 100n, wanted: 400n }), { lent: 400n, ttlMs: SLICE_TTL_MS, refusal: null })
  assert.equal(balance(), '600 + 400')
})

test('a slice is what the balance has when that covers the need but not the wish', () => {
  const { take, balance } = setup()
  assert.equal(take({ needed: 100n, wanted: 5_000n }).lent, 1_000n)
  assert.equal(balance(), '0 + 1000')
})

test('nothing is lent when the balance does not cover the need', () => {
  const { take, balance } = setup()
  assert.deepEqual(take({ needed: 1_001n, wanted: 5_000n }), {
    lent: null,
    ttlMs: 0,
    refusal: 'funds_insufficient',
  })
  assert.equal(balance(), '1000 + 0')
})

test('nobody’s account lends nothing', () => {
  const { take } = setup()
  assert.equal(take({ organisationId: 'nobody', needed: 1n, wanted: 1n }).refusal, 'account_unknown')
})

test('the same call again lends once', () => {
  const { take, balance } = setup()
  assert.equal(take({ needed: 100n, wanted: 400n }).lent, 400n)
  assert.equal(take({ needed: 100n, wanted: 400n }).lent, 400n)
  assert.equal(take({ needed: 50n, wanted: 60n }).lent, 400n)
  assert.equal(balance(), '600 + 400')
})

test('a slice is raised to what is needed in all, or as far as the balance goes', () => {
  const { take, balance } = setup()
  take({ needed: 100n, wanted: 400n })
  assert.equal(take({ needed: 500n, wanted: 700n }).lent, 700n)
  assert.equal(take({ needed: 800n, wanted: 5_000n }).lent, 1_000n)
  assert.equal(balance(), '0 + 1000')
})

test('a raise beyond the balance is refused and the slice stays as it was', () => {
  const { take, balance } = setup()
  take({ needed: 400n, wanted: 400n })
  assert.equal(take({ needed: 1_001n, wanted: 1_001n }).refusal, 'funds_insufficient')
  assert.equal(balance(), '600 + 400')
  assert.equal(take({ needed: 400n, wanted: 400n }).lent, 400n)
})

test('another gateway cannot raise a slice that is not its own', () => {
  const { take, balance } = setup()
  take({ needed: 400n, wanted: 400n })
  assert.equal(take({ gatewayId: 'other', needed: 500n, wanted: 500n }).lent, null)
  assert.equal(balance(), '600 + 400')
})

test('a renewed slice lives another full life from now', () => {
  const { take, renew, expiryOf } = setup()
  take({ needed: 1n, wanted: 1n })
  assert.equal(expiryOf('slice'), START_MS + SLICE_TTL_MS)
  assert.deepEqual(renew(['slice'], START_MS + 60_000), ['slice'])
  assert.equal(expiryOf('slice'), START_MS + 60_000 + SLICE_TTL_MS)
  assert.deepEqual(renew(['slice'], START_MS + 60_000), ['slice'])
})

test('what is gone, and what another gateway lent, is not renewed', () => {
  const { take, turn, renew, expiryOf } = setup()
  take({ needed: 1n, wanted: 1n })
  assert.deepEqual(renew(['slice', 'gone'], START_MS + 5), ['slice'])
  const nowMs = START_MS + 10
  assert.deepEqual(renewSlices(turn(nowMs), { gatewayId: 'other', holdIds: ['slice'] }), [])
  assert.equal(expiryOf('slice'), START_MS + 5 + SLICE_TTL_MS)
})

test('a returned slice is available again at once, and returning it twice is no error', () => {
  const { take, turn, balance } = setup()
  take({ needed: 1n, wanted: 400n })
  const call = { gatewayId: 'g', holdIds: ['slice', 'gone'] }
  assert.deepEqual(returnSlices(turn(), call), ['slice', 'gone'])
  assert.deepEqual(returnSlices(turn(), call), ['slice', 'gone'])
  assert.equal(balance(), '1000 + 0')
})

test('another gateway cannot return a slice that is not its own', () => {
  const { take, turn, balance } = setup()
  take({ needed: 1n, wanted: 400n })
  returnSlices(turn(), { gatewayId: 'other', holdIds: ['slice'] })
  assert.equal(balance(), '600 + 400')
})

/** A cell whose payer has 1,000 nano-USD. */
function setup() {
  const state = emptyState()
  const turn = (nowMs = START_MS) => startTurn(state, nowMs, [])
  foundCell(turn(), { balance: 1_000n })
  return {
    turn,
    take(call: { gatewayId?: string; organisationId?: string; needed: bigint; wanted: bigint }) {
      const reply = takeSlice(turn(), { gatewayId: 'g', organisationId: PAYER, holdId: 'slice', ...call })
      checkLedger(state.ledger)
      return reply
    },
    renew: (holdIds: string[], nowMs: number) => renewSlices(turn(nowMs), { gatewayId: 'g', holdIds }),
    expiryOf: (holdId: string) => state.ledger.holds.get(holdId)?.expiresAtMs,
    balance() {
      const account = state.ledger.accounts.get(consumerAccount(PAYER))
      return `${account?.available} + ${account?.held}`
    },
  }
}

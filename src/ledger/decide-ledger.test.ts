import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toCanonical } from '#kernel/canonical.ts'
import { decideLedger, type LedgerCommand } from './decide-ledger.ts'
import { evolveLedger } from './evolve-ledger.ts'
import {
  checkLedger,
  EXTERNAL_DEPOSITS,
  EXTERNAL_TEST,
  emptyLedger,
  HOLD_EXPIRY_GRACE_MS,
  NETWORK_FEES,
  NETWORK_LOSSES,
  TRANSFER_MEMORY_MS,
} from './ledger.ts'
import type { LedgerRefusal } from './ledger-refusal.ts'

const NOW_MS = 1_800_000_000_000
const HOLD_TTL_MS = 180_000

/** A good command, and what can be wrong with it in order of precedence: an earlier fault hides the later ones. */
const ladder = <C extends LedgerCommand>(good: C, faults: readonly [LedgerRefusal, Partial<C>][]) => ({
  good,
  faults,
})

const refusals = [
  ladder({ kind: 'open_account', accountId: 'new', accountKind: 'consumer' }, [
    ['account_exists', { accountId: 'payer' }],
  ]),
  ladder(
    {
      kind: 'transfer',
      transferId: 'new',
      debitAccountId: 'payer',
      creditAccountId: 'payee',
      amount: 1n,
      memo: '',
      createdAtMs: NOW_MS,
      nowMs: NOW_MS,
    },
    [
      ['amount_not_positive', { amount: 0n }],
      ['account_unknown', { creditAccountId: 'nobody' }],
      ['account_same', { creditAccountId: 'payer' }],
      ['transfer_exists', { transferId: 'deposit' }],
      ['transfer_too_old', { createdAtMs: NOW_MS - 2 * TRANSFER_MEMORY_MS }],
      ['funds_insufficient', { amount: 1_000_000n }],
    ],
  ),
  ladder(
    {
      kind: 'open_hold',
      holdId: 'new',
      accountId: 'payer',
      ownerId: 'gateway',
      amount: 1n,
      expiresAtMs: NOW_MS + 1,
      nowMs: NOW_MS,
    },
    [
      ['amount_not_positive', { amount: -1n }],
      ['account_unknown', { accountId: 'nobody' }],
      ['hold_exists', { holdId: 'slice' }],
      ['expiry_past', { expiresAtMs: NOW_MS }],
      ['funds_insufficient', { amount: 1_000_000n }],
    ],
  ),
  ladder({ kind: 'raise_hold', holdId: 'slice', ownerId: 'gateway', lent: 401n }, [
    ['hold_unknown', { holdId: 'nowhere' }],
    ['hold_not_owned', { ownerId: 'stranger' }],
    ['funds_insufficient', { lent: 1_000_000n }],
  ]),
  ladder(
    {
      kind: 'extend_hold',
      holdId: 'slice',
      ownerId: 'gateway',
      expiresAtMs: NOW_MS + HOLD_TTL_MS + 1,
    },
    [
      ['hold_unknown', { holdId: 'nowhere' }],
      ['hold_not_owned', { ownerId: 'stranger' }],
      ['expiry_past', { expiresAtMs: NOW_MS + HOLD_TTL_MS }],
    ],
  ),
  ladder({ kind: 'release_hold', holdId: 'slice', ownerId: 'gateway' }, [
    ['hold_unknown', { holdId: 'nowhere' }],
    ['hold_not_owned', { ownerId: 'stranger' }],
  ]),
  ladder({ kind: 'expire_hold', holdId: 'slice', nowMs: NOW_MS + HOLD_TTL_MS + HOLD_EXPIRY_GRACE_MS }, [
    ['hold_unknown', { holdId: 'nowhere' }],
    ['hold_not_expired', { nowMs: NOW_MS + HOLD_TTL_MS + HOLD_EXPIRY_GRACE_MS - 1 }],
  ]),
  ladder(
    {
      kind: 'capture',
      transferId: 'usage',
      accountId: 'payer',
      holdId: 'slice',
      payouts: [{ accountId: 'payee', amount: 1n }],
      memo: '',
      nowMs: NOW_MS,
    },
    [
      [
        'amount_not_positive',
        {
          payouts: [
            { accountId: 'nobody', amount: 1n },
            { accountId: 'payee', amount: 0n },
          ],
        },
      ],
      ['account_unknown', { payouts: [{ accountId: 'nobody', amount: 1n }] }],
      ['hold_not_owned', { accountId: 'payee' }],
    ],
  ),
  ladder({ kind: 'advance_spool', spoolId: 'spool', firstSequence: 4, count: 2 }, [
    ['sequence_repeated', { firstSequence: 3 }],
    ['sequence_gap', { firstSequence: 5 }],
  ]),
]

for (const { good, faults } of refusals) {
  test(`${good.kind}: nothing wrong, nothing refused`, () => {
    assert.notDeepEqual(decideLedger(setup().ledger, good), [])
    assert.ok(Array.isArray(decideLedger(setup().ledger, good)))
  })
  for (const [index, [refusal]] of faults.entries()) {
    test(`${good.kind}: ${refusal} is told before any later fault, and nothing changes`, () => {
      const { ledger } = setup()
      const before = toCanonical(ledger)
      const later = faults.slice(index).map(([, fault]) => fault)
      const command = Object.assign({}, good, ...later.toReversed()) as LedgerCommand
      assert.equal(decideLedger(ledger, command), refusal)
      assert.equal(toCanonical(ledger), before)
    })
  }
}

test('a capture of nothing is refused', () => {
  const { capture } = setup()
  assert.equal(capture([]), 'amount_not_positive')
})

test('a capture from or for an account that is not there is refused', () => {
  const { capture } = setup()
  assert.equal(capture([{ accountId: 'payee', amount: 1n }], { accountId: 'nobody' }), 'account_unknown')
  assert.equal(capture([{ accountId: 'nobody', amount: 1n }]), 'account_unknown')
})

test('the same transfer again changes nothing; another one under its id is refused', () => {
  const { transfer, balances } = setup()
  const paid = { transferId: 't', amount: 100n }
  assert.equal(transfer(paid), 'done')
  const before = balances()
  assert.equal(transfer(paid), 'repeat')
  assert.equal(transfer({ ...paid, nowMs: NOW_MS + 5, memo: 'again' }), 'repeat')
  for (const other of [
    { amount: 101n },
    { creditAccountId: NETWORK_FEES },
    { debitAccountId: EXTERNAL_TEST },
  ]) {
    assert.equal(transfer({ ...paid, ...other }), 'transfer_exists')
  }
  assert.deepEqual(balances(), before)
})

test('a transfer as old as what was forgotten is refused, for it could be a repeat', () => {
  const { ledger, apply, transfer } = setup()
  const laterMs = NOW_MS + TRANSFER_MEMORY_MS
  assert.equal(apply({ kind: 'forget_transfers', nowMs: laterMs }), 'repeat')
  assert.equal(apply({ kind: 'forget_transfers', nowMs: laterMs + 1 }), 'done')
  assert.equal(ledger.transfers.size, 0)
  const deposit = {
    transferId: 'deposit',
    debitAccountId: EXTERNAL_DEPOSITS,
    creditAccountId: 'payer',
    amount: 1_000n,
  }
  assert.equal(transfer({ ...deposit, createdAtMs: NOW_MS, nowMs: laterMs + 2 }), 'transfer_too_old')
  assert.equal(transfer({ transferId: 'new', createdAtMs: NOW_MS + 1, nowMs: laterMs + 2 }), 'done')
})

test('a transfer that is still remembered is known as a repeat however old it is', () => {
  const { apply, transfer } = setup()
  const slow = { transferId: 'slow', createdAtMs: NOW_MS - 10, nowMs: NOW_MS + 10 }
  assert.equal(transfer(slow), 'done')
  assert.equal(apply({ kind: 'forget_transfers', nowMs: NOW_MS + 10 + TRANSFER_MEMORY_MS }), 'done')
  assert.equal(transfer(slow), 'repeat')
})

test('only an external account pays what it does not have', () => {
  const { transfer, balances } = setup()
  assert.equal(transfer({ debitAccountId: EXTERNAL_TEST, amount: 10n ** 15n }), 'done')
  assert.equal(transfer({ transferId: 'b', debitAccountId: NETWORK_LOSSES }), 'funds_insufficient')
  assert.equal(balances()[EXTERNAL_TEST], `${-(10n ** 15n)} + 0`)
})

test('a hold takes money out of reach and gives back what is left of it', () => {
  const { apply, balances } = setup()
  assert.equal(balances()['payer'], '600 + 400')
  assert.equal(apply({ kind: 'release_hold', holdId: 'slice', ownerId: 'gateway' }), 'done')
  assert.equal(balances()['payer'], '1000 + 0')
})

test('a hold is raised to what is lent in all, so asking twice lends once', () => {
  const { apply, balances } = setup()
  const raise = (lent: bigint) => apply({ kind: 'raise_hold', holdId: 'slice', ownerId: 'gateway', lent })
  assert.equal(raise(500n), 'done')
  assert.equal(raise(500n), 'repeat')
  assert.equal(raise(300n), 'repeat')
  assert.equal(balances()['payer'], '500 + 500')
  assert.equal(raise(1_000n), 'done')
  assert.equal(raise(1_001n), 'funds_insufficient')
})

test('what was captured still counts as lent: a raise adds to it', () => {
  const { apply, capture, balances } = setup()
  assert.equal(capture([{ accountId: 'payee', amount: 150n }]), 'done')
  assert.equal(apply({ kind: 'raise_hold', holdId: 'slice', ownerId: 'gateway', lent: 450n }), 'done')
  assert.equal(balances()['payer'], '550 + 300')
})

test('an extended hold lives by its new end', () => {
  const { apply } = setup()
  const expiresAtMs = NOW_MS + 2 * HOLD_TTL_MS
  assert.equal(apply({ kind: 'extend_hold', holdId: 'slice', ownerId: 'gateway', expiresAtMs }), 'done')
  const expire = (nowMs: number) => apply({ kind: 'expire_hold', holdId: 'slice', nowMs })
  assert.equal(expire(expiresAtMs + HOLD_EXPIRY_GRACE_MS - 1), 'hold_not_expired')
  assert.equal(expire(expiresAtMs + HOLD_EXPIRY_GRACE_MS), 'done')
})

test('work is paid out of its hold, to every payee', () => {
  const { capture, balances } = setup()
  const payouts = [
    { accountId: 'payee', amount: 95n },
    { accountId: NETWORK_FEES, amount: 5n },
  ]
  assert.equal(capture(payouts), 'done')
  const { payer, payee, [NETWORK_FEES]: fees } = balances()
  assert.deepEqual([payer, payee, fees], ['600 + 300', '95 + 0', '5 + 0'])
})

test('work done on a hold that expired is paid from what is available, then by the network', () => {
  const { apply, capture, balances } = setup()
  const nowMs = NOW_MS + HOLD_TTL_MS + HOLD_EXPIRY_GRACE_MS
  assert.equal(apply({ kind: 'expire_hold', holdId: 'slice', nowMs }), 'done')
  assert.equal(capture([{ accountId: 'payee', amount: 900n }]), 'done')
  assert.equal(balances()['payer'], '100 + 0')
  assert.equal(capture([{ accountId: 'payee', amount: 250n }]), 'done')
  const { payer, payee, [NETWORK_LOSSES]: losses } = balances()
  assert.deepEqual([payer, payee, losses], ['0 + 0', '1150 + 0', '-150 + 0'])
})

test('work that costs more than its hold takes the rest from what is available', () => {
  const { capture, balances } = setup()
  assert.equal(capture([{ accountId: 'payee', amount: 450n }]), 'done')
  assert.deepEqual([balances()['payer'], balances()['payee']], ['550 + 0', '450 + 0'])
})

test('a payer that is below zero itself leaves the cost to the network', () => {
  const { capture, balances } = setup()
  assert.equal(
    capture([{ accountId: 'payee', amount: 7n }], { accountId: EXTERNAL_DEPOSITS, holdId: '' }),
    'done',
  )
  const { [EXTERNAL_DEPOSITS]: external, payee, [NETWORK_LOSSES]: losses } = balances()
  assert.deepEqual([external, payee, losses], ['-1000 + 0', '7 + 0', '-7 + 0'])
})

/** A ledger where `payer` has 600 available and 400 held in the slice `slice`, and a spool whose next reading is 4. */
function setup() {
  const ledger = emptyLedger()
  const apply = (command: LedgerCommand): LedgerRefusal | 'done' | 'repeat' => {
    const decision = decideLedger(ledger, command)
    if (!Array.isArray(decision)) return decision
    for (const event of decision) evolveLedger(ledger, event)
    checkLedger(ledger)
    return decision.length === 0 ? 'repeat' : 'done'
  }
  const transfer = (part: Partial<LedgerCommand & { kind: 'transfer' }>) =>
    apply({
      kind: 'transfer',
      transferId: 'new',
      debitAccountId: 'payer',
      creditAccountId: 'payee',
      amount: 1n,
      memo: '',
      createdAtMs: NOW_MS,
      nowMs: NOW_MS,
      ...part,
    })
  const capture = (
    payouts: { accountId: string; amount: bigint }[],
    part: Partial<LedgerCommand & { kind: 'capture' }> = {},
  ) =>
    apply({
      kind: 'capture',
      transferId: 'usage',
      accountId: 'payer',
      holdId: 'slice',
      payouts,
      memo: '',
      nowMs: NOW_MS,
      ...part,
    })
  const hold = { holdId: 'slice', accountId: 'payer', ownerId: 'gateway', amount: 400n }
  for (const outcome of [
    apply({ kind: 'open_account', accountId: 'payer', accountKind: 'consumer' }),
    apply({ kind: 'open_account', accountId: 'payee', accountKind: 'provider' }),
    transfer({
      transferId: 'deposit',
      debitAccountId: EXTERNAL_DEPOSITS,
      creditAccountId: 'payer',
      amount: 1_000n,
    }),
    apply({ kind: 'open_hold', ...hold, expiresAtMs: NOW_MS + HOLD_TTL_MS, nowMs: NOW_MS }),
    apply({ kind: 'advance_spool', spoolId: 'spool', firstSequence: 1, count: 3 }),
  ]) {
    assert.equal(outcome, 'done')
  }
  // As after an earlier forgetting, which here found nothing to forget.
  ledger.transfersKnownSinceMs = NOW_MS - TRANSFER_MEMORY_MS
  const balances = () =>
    Object.fromEntries(
      [...ledger.accounts.values()].map(({ id, available, held }) => [id, `${available} + ${held}`]),
    )
  return { ledger, apply, transfer, capture, balances }
}

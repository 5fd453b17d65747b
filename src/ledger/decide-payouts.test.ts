import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toCanonical } from '#kernel/canonical.ts'
import { decideLedger, type LedgerCommand } from './decide-ledger.ts'
import type { PayoutCommand } from './decide-payouts.ts'
import { evolveLedger } from './evolve-ledger.ts'
import { checkLedger, EXTERNAL_PAYOUTS, EXTERNAL_TEST, emptyLedger, type Ledger } from './ledger.ts'
import { LedgerEvent } from './ledger-events.ts'
import type { LedgerRefusal } from './ledger-refusal.ts'
import { PAYOUT_MEMORY_MS } from './payouts.ts'

const nowMs = 1_800_000_000_000

/** A good command, and what can be wrong with it in order of precedence: an earlier fault hides the later ones. */
const ladder = <Kind extends PayoutCommand['kind']>(
  good: PayoutCommand & { kind: Kind },
  faults: readonly [LedgerRefusal, Partial<PayoutCommand & { kind: Kind }>][],
) => ({ good, faults })

const wanted = {
  kind: 'request_payout',
  payoutId: 'new',
  accountId: 'p',
  amount: 100n,
  minimum: 100n,
  method: 'manual',
  destination: 'd',
  createdAtMs: nowMs,
  nowMs,
} as const

const ladders = [
  ladder(wanted, [
    ['amount_not_positive', { amount: 0n }],
    ['account_unknown', { accountId: 'consumer' }],
    ['payout_exists', { payoutId: 'waits', amount: 101n }],
    ['payout_too_old', { createdAtMs: -1 }],
    ['amount_below_minimum', { amount: 99n }],
    ['funds_insufficient', { amount: 1_000_000n }],
  ]),
  ladder({ kind: 'pay_payout', payoutId: 'waits', externalReference: 'bank', nowMs }, [
    ['payout_unknown', { payoutId: 'nowhere' }],
    ['payout_settled', { payoutId: 'refused' }],
  ]),
  ladder({ kind: 'refuse_payout', payoutId: 'waits', reason: 'r', nowMs }, [
    ['payout_unknown', { payoutId: 'nowhere' }],
    ['payout_settled', { payoutId: 'paid' }],
  ]),
  ladder({ kind: 'hold_back', holdbackId: 'new', accountId: 'p', amount: 5n, nowMs }, [
    ['amount_not_positive', { amount: 0n }],
    ['account_unknown', { accountId: 'consumer' }],
    ['hold_exists', { holdbackId: 'kept', amount: 6n }],
    ['funds_insufficient', { amount: 1_000_000n }],
  ]),
  ladder({ kind: 'release_holdback', holdbackId: 'kept' }, [['hold_unknown', { holdbackId: 'nowhere' }]]),
]

for (const { good, faults } of ladders) {
  test(`${good.kind}: nothing wrong, nothing refused`, () => {
    const decision = decideLedger(setup().ledger, good)
    assert.ok(Array.isArray(decision) && decision.length > 0, String(decision))
  })
  for (const [refusal, fault] of faults) {
    test(`${good.kind}: ${refusal}`, () => {
      const { ledger } = setup()
      const before = toCanonical(ledger)
      assert.equal(decideLedger(ledger, { ...good, ...fault } as LedgerCommand), refusal)
      assert.equal(toCanonical(ledger), before)
    })
  }
}

test('what is asked for is held at once, and leaves the network when it is paid', () => {
  const { apply, money } = setup()
  const before = money()
  apply(wanted)
  assert.deepEqual(money(), { ...before, available: before.available - 100n, held: before.held + 100n })
  apply({ kind: 'pay_payout', payoutId: 'new', externalReference: 'bank 2', nowMs })
  const paid = {
    ...before,
    available: before.available - 100n,
    out: before.out + 100n,
    paid: before.paid + 100n,
  }
  assert.deepEqual(money(), paid)
})

test('what is refused is available again, and can be asked for under a new id', () => {
  const { apply, money } = setup()
  const before = money()
  apply(wanted)
  apply({ kind: 'refuse_payout', payoutId: 'new', reason: 'r', nowMs })
  assert.deepEqual(money(), before)
  apply({ ...wanted, payoutId: 'newer' })
})

test('asked, paid or refused twice is once', () => {
  const { ledger, apply } = setup()
  apply(wanted)
  const pay = { kind: 'pay_payout', payoutId: 'new', externalReference: 'bank 2', nowMs } as const
  assert.deepEqual(decideLedger(ledger, wanted), [])
  apply(pay)
  assert.deepEqual(decideLedger(ledger, pay), [])
  assert.deepEqual(decideLedger(ledger, wanted), [], 'also once it was paid')
  assert.equal(decideLedger(ledger, { ...pay, externalReference: 'bank 3' }), 'payout_settled')
  const refuse = { kind: 'refuse_payout', payoutId: 'refused', reason: 'other', nowMs } as const
  assert.deepEqual(decideLedger(ledger, refuse), [])
})

test('what is held back can neither be asked for nor expire', () => {
  const { ledger, apply, money } = setup()
  const { available } = money()
  apply({ kind: 'hold_back', holdbackId: 'h', accountId: 'p', amount: available - 50n, nowMs })
  assert.equal(decideLedger(ledger, wanted), 'funds_insufficient')
  const expire = { kind: 'expire_hold', holdId: 'holdback:h', nowMs: nowMs * 10 } as const
  assert.equal(decideLedger(ledger, expire), 'hold_not_expired')
  apply({ kind: 'release_holdback', holdbackId: 'h' })
  assert.equal(money().available, available)
})

test('a payout is no holdback, and is not released as one', () => {
  const { ledger } = setup()
  assert.equal(decideLedger(ledger, { kind: 'release_holdback', holdbackId: 'waits' }), 'hold_unknown')
})

test('money from outside is booked once under its reference, for ever', () => {
  const { ledger, apply } = setup()
  const deposit = {
    kind: 'transfer',
    transferId: 't1',
    debitAccountId: 'external:deposits',
    creditAccountId: 'consumer',
    amount: 5n,
    memo: '',
    externalReference: 'bank 1',
    createdAtMs: nowMs,
    nowMs,
  } as const
  apply(deposit)
  assert.deepEqual(decideLedger(ledger, deposit), [], 'the same transfer again is a repeat')
  assert.equal(decideLedger(ledger, { ...deposit, transferId: 't2' }), 'reference_used')
  const laterMs = nowMs + PAYOUT_MEMORY_MS
  apply({ kind: 'forget_transfers', nowMs: laterMs })
  const later = { ...deposit, transferId: 't3', createdAtMs: laterMs, nowMs: laterMs }
  assert.equal(decideLedger(ledger, later), 'reference_used')
})

test('settled payouts are forgotten after a time; one asked for before that is refused, for it could be a repeat', () => {
  const { ledger, apply } = setup()
  const laterMs = nowMs + PAYOUT_MEMORY_MS + 1
  apply({ kind: 'forget_payouts', nowMs: laterMs })
  assert.deepEqual([...ledger.payouts.keys()], ['waits'])
  assert.equal(decideLedger(ledger, { ...wanted, payoutId: 'paid', nowMs: laterMs }), 'payout_too_old')
})

test('the check finds a payout that nothing backs, and money that is held for none', () => {
  const harms: readonly [RegExp, (ledger: Ledger) => void][] = [
    [
      /payout waits is not backed/,
      (ledger) => Object.assign(ledger.payouts.get('waits') ?? {}, { amount: 1n }),
    ],
    [/held for a payout that nobody waits for/, (ledger) => ledger.payouts.delete('waits')],
    [/earnings of p are below zero/, (ledger) => ledger.earnings.set('p', { earned: 0n, paid: -1n })],
  ]
  for (const [message, harm] of harms) {
    const { ledger } = setup()
    harm(ledger)
    assert.throws(() => checkLedger(ledger), { message })
  }
})

/** A provider with 10,000 and a payout in each state. */
function setup() {
  const ledger = emptyLedger()
  const apply = (command: LedgerCommand): void => {
    const decision = decideLedger(ledger, command)
    assert.ok(Array.isArray(decision), `${command.kind} is refused: ${decision}`)
    for (const event of decision) evolveLedger(ledger, LedgerEvent.parse(LedgerEvent.encode(event)))
    checkLedger(ledger)
  }
  apply({ kind: 'open_account', accountId: 'consumer', accountKind: 'consumer' })
  apply({ kind: 'open_account', accountId: 'p', accountKind: 'provider' })
  const transfer = { transferId: 't', debitAccountId: EXTERNAL_TEST, creditAccountId: 'p', amount: 10_000n }
  apply({ kind: 'transfer', ...transfer, memo: '', createdAtMs: nowMs, nowMs })
  for (const payoutId of ['waits', 'paid', 'refused']) apply({ ...wanted, payoutId })
  apply({ kind: 'pay_payout', payoutId: 'paid', externalReference: 'bank', nowMs })
  apply({ kind: 'refuse_payout', payoutId: 'refused', reason: 'r', nowMs })
  apply({ kind: 'hold_back', holdbackId: 'kept', accountId: 'p', amount: 5n, nowMs })
  const money = () => {
    const { available = 0n, held = 0n } = ledger.accounts.get('p') ?? {}
    const out = ledger.accounts.get(EXTERNAL_PAYOUTS)?.available ?? 0n
    return { available, held, out, paid: ledger.earnings.get('p')?.paid ?? 0n }
  }
  return { ledger, apply, money }
}

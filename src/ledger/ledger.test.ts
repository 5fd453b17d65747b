/** The laws of double entry, against a second ledger that knows nothing but a list of postings. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { z } from 'zod'
import { toCanonical } from '#kernel/canonical.ts'
import { minimum } from '#kernel/money.ts'
import { decideLedger, type LedgerCommand } from './decide-ledger.ts'
import { evolveLedger } from './evolve-ledger.ts'
import {
  checkLedger,
  EXTERNAL_TEST,
  emptyLedger,
  HOLD_EXPIRY_GRACE_MS,
  type Ledger,
  NETWORK_FEES,
  NETWORK_LOSSES,
  TRANSFER_MEMORY_MS,
} from './ledger.ts'
import { LedgerEvent } from './ledger-events.ts'

const START_MS = 1_800_000_000_000
const STEP_MS = 45_000

test('whatever is commanded: nothing is created or lost, and the list of postings agrees on every balance', () => {
  fc.assert(
    fc.property(fc.array(commands(), { maxLength: 60, size: 'max' }), (steps) => {
      const ledger = withAccounts()
      const oracle = new Oracle()
      for (const [index, makeCommand] of steps.entries()) {
        const command = makeCommand(START_MS + index * STEP_MS)
        const before = toCanonical(ledger)
        const decision = decideLedger(ledger, command)
        assert.equal(toCanonical(ledger), before, 'deciding changes nothing')
        const outcome = Array.isArray(decision) ? (decision.length > 0 ? 'done' : 'repeat') : 'refused'
        assert.equal(outcome, oracle.apply(command), `${command.kind} after ${index}: ${String(decision)}`)
        for (const event of Array.isArray(decision) ? decision : []) evolveLedger(ledger, event)
        checkLedger(ledger)
        assert.deepEqual(balancesOf(ledger), oracle.balances())
      }
    }),
    { numRuns: 300 },
  )
})

test('events that crossed the journal rebuild the same ledger', () => {
  fc.assert(
    fc.property(fc.array(commands(), { maxLength: 40, size: 'max' }), (steps) => {
      const ledger = withAccounts()
      const replayed = withAccounts()
      for (const [index, makeCommand] of steps.entries()) {
        const decision = decideLedger(ledger, makeCommand(START_MS + index * STEP_MS))
        for (const event of Array.isArray(decision) ? decision : []) {
          const text = JSON.stringify(z.encode(LedgerEvent, event))
          evolveLedger(ledger, event)
          evolveLedger(replayed, LedgerEvent.parse(JSON.parse(text)))
        }
      }
      assert.equal(toCanonical(replayed), toCanonical(ledger))
    }),
    { numRuns: 50 },
  )
})

const breakages: readonly [name: string, message: RegExp, harm: (ledger: Ledger) => void][] = [
  [
    'money from nowhere',
    /sum to 1,/,
    (ledger) => {
      account(ledger, 'a').available += 1n
    },
  ],
  [
    'an overdrawn consumer',
    /a is overdrawn/,
    (ledger) => {
      account(ledger, 'a').available -= 1n
      account(ledger, 'b').available += 1n
    },
  ],
  [
    'a hold that nothing backs',
    /holds 0, its holds say 5/,
    (ledger) => {
      ledger.holds.set('h', { id: 'h', accountId: 'a', ownerId: 'g', lent: 5n, left: 5n, expiresAtMs: 1 })
    },
  ],
  [
    'a hold below zero',
    /hold h is below zero/,
    (ledger) => {
      ledger.holds.set('h', { id: 'h', accountId: 'a', ownerId: 'g', lent: 5n, left: -1n, expiresAtMs: 1 })
    },
  ],
]

for (const [name, message, harm] of breakages) {
  test(`the check finds ${name}`, () => {
    const ledger = withAccounts()
    checkLedger(ledger)
    harm(ledger)
    assert.throws(() => checkLedger(ledger), { message })
  })
}

/** Commands from small sets of names, so that they meet; each takes the time at which it is given. */
function commands(): fc.Arbitrary<(nowMs: number) => LedgerCommand> {
  const own = [NETWORK_FEES, NETWORK_LOSSES, EXTERNAL_TEST]
  const accountId = fc.constantFrom('a', 'a', 'a', 'b', 'b', 'p', ...own, 'nobody')
  const holdId = fc.constantFrom('h1', 'h2')
  const ownerId = fc.constantFrom('g', 'g', 'g', 'other')
  const transferId = fc.constantFrom('t1', 't2', 't3', 't4', 't5')
  const amount = fc.constantFrom(-1n, 0n, 1n, 7n, 40n, 100n, 250n)
  const ttlMs = fc.integer({ min: 0, max: 10 }).map((steps) => steps * (STEP_MS / 3))
  const ageMs = fc.constantFrom(0, STEP_MS, TRANSFER_MEMORY_MS)
  const deposit = { debitAccountId: fc.constant(EXTERNAL_TEST), creditAccountId: fc.constantFrom('a', 'b') }
  const anyPair = { debitAccountId: accountId, creditAccountId: accountId }
  const transferOf = (pair: typeof anyPair) =>
    fc.record({ ...pair, transferId, amount, ageMs }).map(({ ageMs: age, ...rest }) => (nowMs: number) => ({
      kind: 'transfer' as const,
      ...rest,
      memo: '',
      createdAtMs: nowMs - age,
      nowMs,
    }))
  const payout = fc.record({ accountId: fc.constantFrom('p', 'p', 'a', NETWORK_FEES), amount })
  const payouts = fc.array(fc.oneof({ weight: 9, arbitrary: payout }, fc.record({ accountId, amount })), {
    maxLength: 3,
  })
  return fc.oneof(
    transferOf(deposit),
    transferOf(anyPair),
    fc.nat(3).map((stepsAgo) => (nowMs: number) => ({
      kind: 'forget_transfers' as const,
      nowMs: nowMs - stepsAgo * STEP_MS + TRANSFER_MEMORY_MS,
    })),
    fc
      .record({ holdId, accountId, ownerId, amount, ttlMs })
      .map(({ ttlMs: ttl, ...rest }) => (nowMs: number) => ({
        kind: 'open_hold' as const,
        ...rest,
        expiresAtMs: nowMs + ttl,
        nowMs,
      })),
    fc
      .record({ holdId, ownerId, lent: amount })
      .map((rest) => () => ({ kind: 'raise_hold' as const, ...rest })),
    fc.record({ holdId, ownerId, ttlMs }).map(({ ttlMs: ttl, ...rest }) => (nowMs: number) => ({
      kind: 'extend_hold' as const,
      ...rest,
      expiresAtMs: nowMs + ttl,
    })),
    fc.record({ holdId, ownerId }).map((rest) => () => ({ kind: 'release_hold' as const, ...rest })),
    fc
      .record({ holdId })
      .map((rest) => (nowMs: number) => ({ kind: 'expire_hold' as const, ...rest, nowMs })),
    fc.record({ transferId, accountId, holdId, payouts }).map((rest) => (nowMs: number) => ({
      kind: 'capture' as const,
      ...rest,
      memo: '',
      nowMs,
    })),
  )
}

type Outcome = 'done' | 'repeat' | 'refused'

/** Every balance is a sum over all postings since the beginning; nothing is kept up to date. */
class Oracle {
  readonly #accounts = [
    'external:deposits',
    EXTERNAL_TEST,
    'external:payouts',
    NETWORK_FEES,
    NETWORK_LOSSES,
    'a',
    'b',
    'p',
  ]
  readonly #postings: [pocket: string, amount: bigint][] = []
  readonly #holds = new Map<string, { account: string; owner: string; endMs: number; lent: bigint }>()
  #transfers: { id: string; debit: string; credit: string; amount: bigint; atMs: number }[] = []
  #knownSinceMs = 0
  #holdCount = 0

  #sum(pocket: string): bigint {
    return this.#postings.reduce((sum, [name, amount]) => (name === pocket ? sum + amount : sum), 0n)
  }
  #move(from: string, to: string, amount: bigint): 'done' {
    this.#postings.push([from, -amount], [to, amount])
    return 'done'
  }
  #hasNot(account: string, amount: bigint): boolean {
    return this.#sum(account) < amount
  }
  /** Each opening of a hold has a pocket of its own, also when a name is used again. */
  readonly #pockets = new Map<string, string>()
  #pocket(holdId: string): string {
    return this.#pockets.get(holdId) ?? 'no hold'
  }
  #close(holdId: string): 'done' {
    const { account = '' } = this.#holds.get(holdId) ?? {}
    this.#holds.delete(holdId)
    return this.#move(this.#pocket(holdId), account, this.#sum(this.#pocket(holdId)))
  }

  balances(): Record<string, [bigint, bigint]> {
    const heldOf = (id: string) =>
      [...this.#holds].reduce(
        (sum, [hold, { account }]) => (account === id ? sum + this.#sum(this.#pocket(hold)) : sum),
        0n,
      )
    return Object.fromEntries(this.#accounts.map((id) => [id, [this.#sum(id), heldOf(id)]]))
  }

  apply(command: LedgerCommand): Outcome {
    const hold = 'holdId' in command ? this.#holds.get(command.holdId) : undefined
    const isForeign = hold && 'ownerId' in command && hold.owner !== command.ownerId
    switch (command.kind) {
      case 'transfer': {
        const {
          transferId: id,
          debitAccountId: debit,
          creditAccountId: credit,
          amount,
          nowMs: atMs,
        } = command
        if (amount < 1n || debit === credit || ![debit, credit].every((it) => this.#accounts.includes(it)))
          return 'refused'
        const earlier = this.#transfers.find((transfer) => transfer.id === id)
        if (earlier)
          return earlier.debit === debit && earlier.credit === credit && earlier.amount === amount
            ? 'repeat'
            : 'refused'
        if (command.createdAtMs < this.#knownSinceMs) return 'refused'
        if (!debit.startsWith('external:') && this.#hasNot(debit, amount)) return 'refused'
        this.#transfers.push({ id, debit, credit, amount, atMs })
        return this.#move(debit, credit, amount)
      }
      case 'forget_transfers': {
        const kept = this.#transfers.filter((it) => it.atMs >= command.nowMs - TRANSFER_MEMORY_MS)
        if (kept.length === this.#transfers.length) return 'repeat'
        this.#transfers = kept
        this.#knownSinceMs = command.nowMs - TRANSFER_MEMORY_MS
        return 'done'
      }
      case 'open_hold': {
        const { holdId, accountId: account, ownerId: owner, amount, expiresAtMs: endMs } = command
        if (amount < 1n || !this.#accounts.includes(account) || hold || endMs <= command.nowMs)
          return 'refused'
        if (this.#hasNot(account, amount)) return 'refused'
        this.#holds.set(holdId, { account, owner, endMs, lent: amount })
        this.#pockets.set(holdId, `hold ${this.#holdCount++}`)
        return this.#move(account, this.#pocket(holdId), amount)
      }
      case 'raise_hold': {
        if (!hold || isForeign) return 'refused'
        const more = command.lent - hold.lent
        if (more <= 0n) return 'repeat'
        if (this.#hasNot(hold.account, more)) return 'refused'
        hold.lent = command.lent
        return this.#move(hold.account, this.#pocket(command.holdId), more)
      }
      case 'extend_hold':
        if (!hold || isForeign || command.expiresAtMs <= hold.endMs) return 'refused'
        hold.endMs = command.expiresAtMs
        return 'done'
      case 'release_hold':
        return !hold || isForeign ? 'refused' : this.#close(command.holdId)
      case 'expire_hold':
        return !hold || command.nowMs - hold.endMs < HOLD_EXPIRY_GRACE_MS
          ? 'refused'
          : this.#close(command.holdId)
      case 'capture': {
        const { accountId: payer, payouts } = command
        const isKnown = [payer, ...payouts.map((it) => it.accountId)].every((it) =>
          this.#accounts.includes(it),
        )
        if (payouts.length === 0 || payouts.some((it) => it.amount < 1n) || !isKnown) return 'refused'
        if (hold && hold.account !== payer) return 'refused'
        let rest = payouts.reduce((sum, it) => sum + it.amount, 0n)
        for (const source of hold ? [this.#pocket(command.holdId), payer] : [payer]) {
          const there = this.#sum(source)
          const taken = there < 0n ? 0n : minimum(there, rest)
          this.#postings.push([source, -taken])
          rest -= taken
        }
        this.#postings.push([NETWORK_LOSSES, -rest])
        for (const { accountId, amount } of payouts) this.#postings.push([accountId, amount])
        return 'done'
      }
      default:
        return assert.fail(`the oracle knows no ${command.kind}`)
    }
  }
}

const balancesOf = (ledger: Ledger): Record<string, [bigint, bigint]> =>
  Object.fromEntries([...ledger.accounts.values()].map(({ id, available, held }) => [id, [available, held]]))

const account = (ledger: Ledger, id: string) => ledger.accounts.get(id) ?? assert.fail(`no account ${id}`)

/** The network's own accounts, two consumers and a provider. */
function withAccounts(): Ledger {
  const ledger = emptyLedger()
  for (const [accountId, kind] of [
    ['a', 'consumer'],
    ['b', 'consumer'],
    ['p', 'provider'],
  ] as const) {
    evolveLedger(ledger, { type: 'ledger.account_opened', accountId, kind })
  }
  return ledger
}

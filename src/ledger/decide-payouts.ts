import { assert, unreachable } from '#kernel/assert.ts'
import type { NanoUsd } from '#kernel/money.ts'
import type { TimestampMs } from '#kernel/time.ts'
import { EXTERNAL_PAYOUTS, type Ledger } from './ledger.ts'
import type { LedgerEvent } from './ledger-events.ts'
import type { LedgerRefusal } from './ledger-refusal.ts'
import {
  holdbackHold,
  holdbackOwner,
  isHoldback,
  NO_EXPIRY_MS,
  PAYOUT_MEMORY_MS,
  type Payout,
  payoutHold,
  payoutOwner,
} from './payouts.ts'

export type PayoutCommand =
  | {
      kind: 'request_payout'
      /** Made from what the caller named it: the same id again is the same payout. */
      payoutId: string
      accountId: string
      amount: NanoUsd
      /** The least that is paid out. */
      minimum: NanoUsd
      method: string
      destination: string
      /** When the caller made the id; one older than the ledger's memory is refused, for it could be a repeat. */
      createdAtMs: TimestampMs
      nowMs: TimestampMs
    }
  | { kind: 'pay_payout'; payoutId: string; externalReference: string; nowMs: TimestampMs }
  | { kind: 'refuse_payout'; payoutId: string; reason: string; nowMs: TimestampMs }
  | { kind: 'hold_back'; holdbackId: string; accountId: string; amount: NanoUsd; nowMs: TimestampMs }
  | { kind: 'release_holdback'; holdbackId: string }
  | { kind: 'forget_payouts'; nowMs: TimestampMs }

type Decision = LedgerRefusal | LedgerEvent[]

export function decidePayouts(ledger: Ledger, command: PayoutCommand): Decision {
  switch (command.kind) {
    case 'request_payout':
      return decideRequest(ledger, command)
    case 'pay_payout':
      return decidePay(ledger, command)
    case 'refuse_payout': {
      const payout = ledger.payouts.get(command.payoutId)
      if (!payout) return 'payout_unknown'
      if (payout.state === 'refused') return []
      if (payout.state === 'paid') return 'payout_settled'
      const { reason, nowMs } = command
      return [
        { type: 'ledger.hold_released', holdId: payoutHold(payout.id), amount: payout.amount },
        { type: 'ledger.payout_refused', ...factsOf(payout), reason, atMs: nowMs },
      ]
    }
    case 'hold_back':
      return decideHoldBack(ledger, command)
    case 'release_holdback': {
      const hold = ledger.holds.get(holdbackHold(command.holdbackId))
      if (!hold || !isHoldback(hold)) return 'hold_unknown'
      return [{ type: 'ledger.hold_released', holdId: hold.id, amount: hold.left }]
    }
    case 'forget_payouts': {
      const beforeMs = command.nowMs - PAYOUT_MEMORY_MS
      if (beforeMs <= ledger.payoutsKnownSinceMs) return []
      for (const { settledAtMs } of ledger.payouts.values()) {
        if (settledAtMs !== null && settledAtMs < beforeMs) {
          return [{ type: 'ledger.payouts_forgotten', beforeMs }]
        }
      }
      return []
    }
    default:
      return unreachable(command)
  }
}

function decideRequest(ledger: Ledger, command: PayoutCommand & { kind: 'request_payout' }): Decision {
  const { payoutId, accountId, amount, minimum, method, destination, createdAtMs, nowMs } = command
  if (amount <= 0n) return 'amount_not_positive'
  const account = ledger.accounts.get(accountId)
  if (account?.kind !== 'provider') return 'account_unknown'
  const earlier = ledger.payouts.get(payoutId)
  if (earlier) {
    const isRepeat =
      earlier.accountId === accountId &&
      earlier.amount === amount &&
      earlier.method === method &&
      earlier.destination === destination
    return isRepeat ? [] : 'payout_exists'
  }
  if (createdAtMs < ledger.payoutsKnownSinceMs) return 'payout_too_old'
  if (amount < minimum) return 'amount_below_minimum'
  // What is held back is not available, so it cannot be asked for.
  if (account.available < amount) return 'funds_insufficient'
  const holdId = payoutHold(payoutId)
  assert(!ledger.holds.has(holdId), 'a payout that is not known has no hold')
  const facts = { payoutId, accountId, amount, method, destination, requestedAtMs: nowMs }
  return [
    {
      type: 'ledger.hold_opened',
      holdId,
      accountId,
      ownerId: payoutOwner,
      amount,
      expiresAtMs: NO_EXPIRY_MS,
    },
    { type: 'ledger.payout_requested', ...facts, atMs: nowMs },
  ]
}

function decidePay(ledger: Ledger, command: PayoutCommand & { kind: 'pay_payout' }): Decision {
  const payout = ledger.payouts.get(command.payoutId)
  if (!payout) return 'payout_unknown'
  const { externalReference, nowMs } = command
  if (payout.state === 'paid' && payout.externalReference === externalReference) return []
  if (payout.state !== 'requested') return 'payout_settled'
  const { id, accountId, amount, method } = payout
  return [
    {
      type: 'ledger.captured',
      transferId: payoutHold(id),
      accountId,
      holdId: payoutHold(id),
      fromHold: amount,
      fromAvailable: 0n,
      fromLosses: 0n,
      payouts: [{ accountId: EXTERNAL_PAYOUTS, amount }],
      memo: `payout by ${method}`,
      atMs: nowMs,
    },
    { type: 'ledger.hold_released', holdId: payoutHold(id), amount: 0n },
    { type: 'ledger.payout_paid', ...factsOf(payout), externalReference, atMs: nowMs },
  ]
}

function decideHoldBack(ledger: Ledger, command: PayoutCommand & { kind: 'hold_back' }): Decision {
  const { holdbackId, accountId, amount } = command
  if (amount <= 0n) return 'amount_not_positive'
  const account = ledger.accounts.get(accountId)
  if (account?.kind !== 'provider') return 'account_unknown'
  const holdId = holdbackHold(holdbackId)
  const earlier = ledger.holds.get(holdId)
  if (earlier) return earlier.accountId === accountId && earlier.lent === amount ? [] : 'hold_exists'
  if (account.available < amount) return 'funds_insufficient'
  return [
    {
      type: 'ledger.hold_opened',
      holdId,
      accountId,
      ownerId: holdbackOwner,
      amount,
      expiresAtMs: NO_EXPIRY_MS,
    },
  ]
}

const factsOf = ({ id, accountId, amount, method, destination, requestedAtMs }: Payout) => ({
  payoutId: id,
  accountId,
  amount,
  method,
  destination,
  requestedAtMs,
})

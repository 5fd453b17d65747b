import { assert, unreachable } from '#kernel/assert.ts'
import { maximum, type NanoUsd } from '#kernel/money.ts'
import { type Account, type Hold, type Ledger, mayBeNegative, NETWORK_LOSSES, openAccount } from './ledger.ts'
import type { LedgerEvent } from './ledger-events.ts'
import type { Earnings, Payout } from './payouts.ts'

/** Applies an event that `decideLedger` returned for this same state. The only writer of the ledger. */
export function evolveLedger(ledger: Ledger, event: LedgerEvent): void {
  switch (event.type) {
    case 'ledger.account_opened':
      ledger.accounts.set(event.accountId, openAccount(event.accountId, event.kind))
      break
    case 'ledger.transferred': {
      const { transferId, debitAccountId, creditAccountId, amount, atMs, externalReference } = event
      post(ledger, debitAccountId, -amount)
      post(ledger, creditAccountId, amount)
      ledger.transfers.set(transferId, { debitAccountId, creditAccountId, amount, atMs })
      if (externalReference !== undefined) ledger.references.set(externalReference, transferId)
      break
    }
    case 'ledger.transfers_forgotten':
      ledger.transfersKnownSinceMs = event.beforeMs
      for (const [id, transfer] of ledger.transfers) {
        if (transfer.atMs < event.beforeMs) ledger.transfers.delete(id)
      }
      break
    case 'ledger.hold_opened': {
      const { holdId, accountId, ownerId, amount, expiresAtMs } = event
      hold(ledger, accountId, amount)
      ledger.holds.set(holdId, { id: holdId, accountId, ownerId, lent: amount, left: amount, expiresAtMs })
      break
    }
    case 'ledger.hold_raised': {
      const raised = openHold(ledger, event.holdId)
      hold(ledger, raised.accountId, event.amount)
      raised.lent += event.amount
      raised.left += event.amount
      break
    }
    case 'ledger.hold_extended':
      openHold(ledger, event.holdId).expiresAtMs = event.expiresAtMs
      break
    case 'ledger.hold_released':
    case 'ledger.hold_expired': {
      const { id, accountId, left } = openHold(ledger, event.holdId)
      assert(left === event.amount, 'a hold returns exactly what is left of it')
      hold(ledger, accountId, -left)
      ledger.holds.delete(id)
      break
    }
    case 'ledger.captured':
      evolveCaptured(ledger, event)
      break
    case 'ledger.payout_requested':
    case 'ledger.payout_paid':
    case 'ledger.payout_refused':
      evolvePayout(ledger, event)
      break
    case 'ledger.payouts_forgotten':
      ledger.payoutsKnownSinceMs = event.beforeMs
      for (const [id, { settledAtMs }] of ledger.payouts) {
        if (settledAtMs !== null && settledAtMs < event.beforeMs) ledger.payouts.delete(id)
      }
      break
    case 'ledger.spool_advanced':
      ledger.spools.set(event.spoolId, event.nextSequence)
      break
    default:
      unreachable(event)
  }
}

function evolveCaptured(ledger: Ledger, event: LedgerEvent & { type: 'ledger.captured' }): void {
  const { accountId, holdId, fromHold, fromAvailable, fromLosses, payouts } = event
  if (fromHold > 0n) {
    const source = openHold(ledger, holdId)
    assert(source.left >= fromHold, 'a capture never takes more than its hold has')
    source.left -= fromHold
    accountOf(ledger, accountId).held -= fromHold
  }
  if (fromAvailable > 0n) post(ledger, accountId, -fromAvailable)
  if (fromLosses > 0n) post(ledger, NETWORK_LOSSES, -fromLosses)
  if (event.isRefund && accountOf(ledger, accountId).kind === 'provider') {
    const earnings = earningsOf(ledger, accountId)
    earnings.earned = maximum(earnings.earned - fromHold - fromAvailable, 0n)
  }
  for (const payout of payouts) {
    post(ledger, payout.accountId, payout.amount)
    if (accountOf(ledger, payout.accountId).kind === 'provider') {
      earningsOf(ledger, payout.accountId).earned += payout.amount
    }
  }
}

type PayoutEvent = LedgerEvent & {
  type: 'ledger.payout_requested' | 'ledger.payout_paid' | 'ledger.payout_refused'
}

/** The money itself moves by the events of its hold. */
function evolvePayout(ledger: Ledger, event: PayoutEvent): void {
  const { payoutId: id, accountId, amount, method, destination, requestedAtMs } = event
  const payout: Payout = {
    id,
    accountId,
    amount,
    method,
    destination,
    requestedAtMs,
    state: 'requested',
    settledAtMs: null,
    externalReference: null,
    reason: null,
  }
  if (event.type === 'ledger.payout_paid') {
    const { externalReference, atMs } = event
    Object.assign(payout, { state: 'paid', settledAtMs: atMs, externalReference })
    earningsOf(ledger, accountId).paid += amount
  } else if (event.type === 'ledger.payout_refused') {
    Object.assign(payout, { state: 'refused', settledAtMs: event.atMs, reason: event.reason })
  }
  ledger.payouts.set(id, payout)
}

function earningsOf(ledger: Ledger, accountId: string): Earnings {
  let earnings = ledger.earnings.get(accountId)
  if (!earnings) {
    earnings = { earned: 0n, paid: 0n }
    ledger.earnings.set(accountId, earnings)
  }
  return earnings
}

/** Moves `amount` from available to held (back, when negative). */
function hold(ledger: Ledger, accountId: string, amount: NanoUsd): void {
  post(ledger, accountId, -amount)
  accountOf(ledger, accountId).held += amount
}

function post(ledger: Ledger, accountId: string, amount: NanoUsd): void {
  const account = accountOf(ledger, accountId)
  account.available += amount
  assert(account.available >= 0n || mayBeNegative(account), `${accountId} is overdrawn`)
}

function accountOf(ledger: Ledger, accountId: string): Account {
  const account = ledger.accounts.get(accountId)
  assert(account, `account ${accountId} exists, for decide checked it`)
  return account
}

function openHold(ledger: Ledger, holdId: string): Hold {
  const found = ledger.holds.get(holdId)
  assert(found, `hold ${holdId} exists, for decide checked it`)
  return found
}

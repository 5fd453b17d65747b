import { assert, unreachable } from '#kernel/assert.ts'
import type { NanoUsd } from '#kernel/money.ts'
import { type Account, type Hold, type Ledger, mayBeNegative, NETWORK_LOSSES, openAccount } from './ledger.ts'
import type { LedgerEvent } from './ledger-events.ts'

/** Applies an event that `decideLedger` returned for this same state. The only writer of the ledger. */
export function evolveLedger(ledger: Ledger, event: LedgerEvent): void {
  switch (event.type) {
    case 'ledger.account_opened':
      ledger.accounts.set(event.accountId, openAccount(event.accountId, event.kind))
      break
    case 'ledger.transferred': {
      const { transferId, debitAccountId, creditAccountId, amount, atMs } = event
      post(ledger, debitAccountId, -amount)
      post(ledger, creditAccountId, amount)
      ledger.transfers.set(transferId, { debitAccountId, creditAccountId, amount, atMs })
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
  for (const payout of payouts) post(ledger, payout.accountId, payout.amount)
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

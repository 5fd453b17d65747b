/**
 * Double-entry accounts in nano-USD, two-phase holds and idempotent transfers.
 *
 * An account has money that is *available* and money that is *held*. A hold moves an amount from the first to the
 * second; a capture pays out of the hold; what is left returns by release or expiry. The sum over all accounts is
 * zero, always: money enters as a debit of an external account, which alone (with the network's losses) may be
 * negative. A *slice* is a hold that a gateway took so that it can admit requests without asking.
 */
import { assert } from '#kernel/assert.ts'
import type { NanoUsd } from '#kernel/money.ts'
import type { TimestampMs } from '#kernel/time.ts'
import type { AccountKind } from './ledger-events.ts'
import { checkPayouts, type Earnings, type Payout } from './payouts.ts'

export interface Ledger {
  accounts: Map<string, Account>
  holds: Map<string, Hold>
  /** Transfers remembered so that a repeat is a no-op; forgotten `TRANSFER_MEMORY_MS` after they happened. */
  transfers: Map<string, Transfer>
  /** Transfers made before this instant are no longer known, so none that old is accepted. */
  transfersKnownSinceMs: TimestampMs
  /** Next sequence number that each gateway's usage spool may apply. Never forgotten: a spool id is used once. */
  spools: Map<string, number>
  /** Under which money came in from outside → the transfer that booked it. Never forgotten: it is booked once. */
  references: Map<string, string>
  /** Those that wait, and the settled ones of the last `PAYOUT_MEMORY_MS`. */
  payouts: Map<string, Payout>
  /** Payouts asked for before this instant may be forgotten, so none that old is accepted. */
  payoutsKnownSinceMs: TimestampMs
  /** By provider account. */
  earnings: Map<string, Earnings>
}

export interface Account {
  readonly id: string
  readonly kind: AccountKind
  available: NanoUsd
  held: NanoUsd
}

export interface Hold {
  readonly id: string
  readonly accountId: string
  /** Who may spend it: a gateway's id for a slice. */
  readonly ownerId: string
  /** All that was ever put into it. */
  lent: NanoUsd
  /** What is not yet captured. */
  left: NanoUsd
  expiresAtMs: TimestampMs
}

interface Transfer {
  readonly debitAccountId: string
  readonly creditAccountId: string
  readonly amount: NanoUsd
  readonly atMs: TimestampMs
}

/** The network's own accounts, opened with the ledger. */
export const EXTERNAL_DEPOSITS = 'external:deposits'
export const EXTERNAL_TEST = 'external:test'
/** Where payouts go. */
export const EXTERNAL_PAYOUTS = 'external:payouts'
export const NETWORK_FEES = 'network:fees'
export const NETWORK_LOSSES = 'network:losses'

export const TRANSFER_MEMORY_MS = 7 * 24 * 3_600_000
/** A hold returns to its account only this long after it expired: its owner stopped spending well before. */
export const HOLD_EXPIRY_GRACE_MS = 60_000

export const consumerAccount = (organisationId: string): string => `consumer:${organisationId}`
export const providerAccount = (organisationId: string): string => `provider:${organisationId}`

export function emptyLedger(): Ledger {
  const ledger: Ledger = {
    accounts: new Map(),
    holds: new Map(),
    transfers: new Map(),
    transfersKnownSinceMs: 0,
    spools: new Map(),
    references: new Map(),
    payouts: new Map(),
    payoutsKnownSinceMs: 0,
    earnings: new Map(),
  }
  for (const id of [EXTERNAL_DEPOSITS, EXTERNAL_TEST, EXTERNAL_PAYOUTS]) {
    ledger.accounts.set(id, openAccount(id, 'external'))
  }
  for (const id of [NETWORK_FEES, NETWORK_LOSSES]) ledger.accounts.set(id, openAccount(id, 'network'))
  return ledger
}

export const openAccount = (id: string, kind: AccountKind): Account => ({ id, kind, available: 0n, held: 0n })

export const mayBeNegative = (account: Account): boolean =>
  account.kind === 'external' || account.id === NETWORK_LOSSES

/** Throws unless no money was created, lost or overdrawn and every hold is backed by what its account has held. */
export function checkLedger(ledger: Ledger): void {
  let total = 0n
  const held = new Map<string, NanoUsd>()
  for (const hold of ledger.holds.values()) {
    assert(hold.left >= 0n, `hold ${hold.id} is below zero`)
    held.set(hold.accountId, (held.get(hold.accountId) ?? 0n) + hold.left)
  }
  for (const account of ledger.accounts.values()) {
    total += account.available + account.held
    assert(mayBeNegative(account) || account.available >= 0n, `${account.id} is overdrawn`)
    const backed = held.get(account.id) ?? 0n
    assert(account.held === backed, `${account.id} holds ${account.held}, its holds say ${backed}`)
  }
  checkPayouts(ledger)
  assert(total === 0n, `the accounts sum to ${total}, not to zero`)
}

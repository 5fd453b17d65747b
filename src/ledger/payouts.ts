/**
 * Money on its way out. Who earned it asks (the amount is held at once), and an operator either pays it outside, and
 * says under which reference, or refuses, and it is available again. Pay that is *held back* is a hold of its own kind:
 * nobody can ask for it.
 *
 *   requested → paid
 *        └────→ refused
 */
import { assert } from '#kernel/assert.ts'
import type { NanoUsd } from '#kernel/money.ts'
import type { TimestampMs } from '#kernel/time.ts'
import type { Hold, Ledger } from './ledger.ts'

export interface Payout {
  readonly id: string
  readonly accountId: string
  readonly amount: NanoUsd
  /** How it leaves: the name of a payout method. */
  readonly method: string
  /** Where it goes, as the method understands it. */
  readonly destination: string
  readonly requestedAtMs: TimestampMs
  state: 'requested' | 'paid' | 'refused'
  settledAtMs: TimestampMs | null
  /** What it is called outside; `null` until it is paid. */
  externalReference: string | null
  /** Why it was refused. */
  reason: string | null
}

/** What a provider's account has earned and been paid since it was opened. */
export interface Earnings {
  earned: NanoUsd
  paid: NanoUsd
}

/** Settled payouts are remembered this long, so that a repeat is told what became of the first. */
export const PAYOUT_MEMORY_MS = 90 * 24 * 3_600_000

/** Holds that end by a decision, never by time. */
export const NO_EXPIRY_MS = Number.MAX_SAFE_INTEGER

const HOLDBACK_OWNER = 'holdback'
const PAYOUT_OWNER = 'payout'
export const payoutHold = (payoutId: string): string => `payout:${payoutId}`
export const holdbackHold = (holdbackId: string): string => `holdback:${holdbackId}`
export const isHoldback = (hold: Hold): boolean => hold.ownerId === HOLDBACK_OWNER
export const holdbackOwner = HOLDBACK_OWNER
export const payoutOwner = PAYOUT_OWNER

/** Throws unless each payout that waits is backed by its hold, and by nothing more or less. */
export function checkPayouts(ledger: Ledger): void {
  let waiting = 0
  for (const payout of ledger.payouts.values()) {
    if (payout.state !== 'requested') continue
    waiting++
    const hold = ledger.holds.get(payoutHold(payout.id))
    assert(
      hold && hold.accountId === payout.accountId && hold.left === payout.amount,
      `payout ${payout.id} is not backed by what was held for it`,
    )
  }
  for (const hold of ledger.holds.values()) if (hold.ownerId === PAYOUT_OWNER) waiting--
  assert(waiting === 0, 'money is held for a payout that nobody waits for')
  for (const [accountId, { earned, paid }] of ledger.earnings) {
    assert(ledger.accounts.has(accountId), `earnings of ${accountId}, which is no account`)
    assert(earned >= 0n && paid >= 0n, `earnings of ${accountId} are below zero`)
  }
}

import { assert, unreachable } from '#kernel/assert.ts'
import { maximum, minimum, type NanoUsd } from '#kernel/money.ts'
import type { TimestampMs } from '#kernel/time.ts'
import { decidePayouts, type PayoutCommand } from './decide-payouts.ts'
import { HOLD_EXPIRY_GRACE_MS, type Ledger, TRANSFER_MEMORY_MS } from './ledger.ts'
import type { AccountKind, LedgerEvent, Payout } from './ledger-events.ts'
import type { LedgerRefusal } from './ledger-refusal.ts'

export type LedgerCommand =
  | { kind: 'open_account'; accountId: string; accountKind: AccountKind }
  | (TransferCommand & { kind: 'transfer' })
  | { kind: 'forget_transfers'; nowMs: TimestampMs }
  | {
      kind: 'open_hold'
      holdId: string
      accountId: string
      ownerId: string
      amount: NanoUsd
      expiresAtMs: TimestampMs
      nowMs: TimestampMs
    }
  | { kind: 'raise_hold'; holdId: string; ownerId: string; lent: NanoUsd }
  | { kind: 'extend_hold'; holdId: string; ownerId: string; expiresAtMs: TimestampMs }
  | { kind: 'release_hold'; holdId: string; ownerId: string }
  | { kind: 'expire_hold'; holdId: string; nowMs: TimestampMs }
  | (CaptureCommand & { kind: 'capture' })
  | { kind: 'advance_spool'; spoolId: string; firstSequence: number; count: number }
  | PayoutCommand

export interface TransferCommand {
  transferId: string
  debitAccountId: string
  creditAccountId: string
  amount: NanoUsd
  memo: string
  /** What the money's way into the network is called outside; a second transfer under the same one is refused. */
  externalReference?: string
  /** When the caller made the id; one older than the ledger's memory is refused, for it could be a repeat. */
  createdAtMs: TimestampMs
  nowMs: TimestampMs
}

export interface CaptureCommand {
  transferId: string
  accountId: string
  holdId: string
  payouts: readonly Payout[]
  memo: string
  /** The payer gives back what it had been paid. */
  isRefund?: boolean
  nowMs: TimestampMs
}

/** The events that `command` causes (none for a repeat of what is already so), or why it is refused. */
export function decideLedger(ledger: Ledger, command: LedgerCommand): LedgerRefusal | LedgerEvent[] {
  switch (command.kind) {
    case 'open_account':
      if (ledger.accounts.has(command.accountId)) return 'account_exists'
      return [{ type: 'ledger.account_opened', accountId: command.accountId, kind: command.accountKind }]
    case 'transfer':
      return decideTransfer(ledger, command)
    case 'forget_transfers':
      return decideForget(ledger, command.nowMs)
    case 'open_hold':
      return decideOpenHold(ledger, command)
    case 'raise_hold':
      return decideRaiseHold(ledger, command)
    case 'extend_hold': {
      const hold = ledger.holds.get(command.holdId)
      if (!hold) return 'hold_unknown'
      if (hold.ownerId !== command.ownerId) return 'hold_not_owned'
      if (command.expiresAtMs <= hold.expiresAtMs) return 'expiry_past'
      return [{ type: 'ledger.hold_extended', holdId: hold.id, expiresAtMs: command.expiresAtMs }]
    }
    case 'release_hold': {
      const hold = ledger.holds.get(command.holdId)
      if (!hold) return 'hold_unknown'
      if (hold.ownerId !== command.ownerId) return 'hold_not_owned'
      return [{ type: 'ledger.hold_released', holdId: hold.id, amount: hold.left }]
    }
    case 'expire_hold': {
      const hold = ledger.holds.get(command.holdId)
      if (!hold) return 'hold_unknown'
      if (command.nowMs < hold.expiresAtMs + HOLD_EXPIRY_GRACE_MS) return 'hold_not_expired'
      return [{ type: 'ledger.hold_expired', holdId: hold.id, amount: hold.left }]
    }
    case 'capture':
      return decideCapture(ledger, command)
    case 'advance_spool': {
      const next = ledger.spools.get(command.spoolId) ?? 1
      if (command.firstSequence < next) return 'sequence_repeated'
      if (command.firstSequence > next) return 'sequence_gap'
      return [{ type: 'ledger.spool_advanced', spoolId: command.spoolId, nextSequence: next + command.count }]
    }
    case 'request_payout':
    case 'pay_payout':
    case 'refuse_payout':
    case 'hold_back':
    case 'release_holdback':
    case 'forget_payouts':
      return decidePayouts(ledger, command)
    default:
      return unreachable(command)
  }
}

function decideTransfer(ledger: Ledger, command: TransferCommand): LedgerRefusal | LedgerEvent[] {
  const { transferId, debitAccountId, creditAccountId, amount, memo, createdAtMs, nowMs } = command
  const { externalReference } = command
  if (amount <= 0n) return 'amount_not_positive'
  const debit = ledger.accounts.get(debitAccountId)
  if (!debit || !ledger.accounts.has(creditAccountId)) return 'account_unknown'
  if (debitAccountId === creditAccountId) return 'account_same'
  const earlier = ledger.transfers.get(transferId)
  if (earlier) {
    const isRepeat =
      earlier.debitAccountId === debitAccountId &&
      earlier.creditAccountId === creditAccountId &&
      earlier.amount === amount
    return isRepeat ? [] : 'transfer_exists'
  }
  if (createdAtMs < ledger.transfersKnownSinceMs) return 'transfer_too_old'
  if (externalReference !== undefined && ledger.references.has(externalReference)) return 'reference_used'
  if (debit.kind !== 'external' && debit.available < amount) return 'funds_insufficient'
  const transferred = { transferId, debitAccountId, creditAccountId, amount, memo, atMs: nowMs }
  return [
    {
      type: 'ledger.transferred',
      ...transferred,
      ...(externalReference !== undefined && { externalReference }),
    },
  ]
}

function decideForget(ledger: Ledger, nowMs: TimestampMs): LedgerEvent[] {
  const beforeMs = nowMs - TRANSFER_MEMORY_MS
  if (beforeMs <= ledger.transfersKnownSinceMs) return []
  for (const transfer of ledger.transfers.values()) {
    if (transfer.atMs < beforeMs) return [{ type: 'ledger.transfers_forgotten', beforeMs }]
  }
  return []
}

function decideOpenHold(
  ledger: Ledger,
  command: LedgerCommand & { kind: 'open_hold' },
): LedgerRefusal | LedgerEvent[] {
  const { holdId, accountId, ownerId, amount, expiresAtMs, nowMs } = command
  if (amount <= 0n) return 'amount_not_positive'
  const account = ledger.accounts.get(accountId)
  if (!account) return 'account_unknown'
  if (ledger.holds.has(holdId)) return 'hold_exists'
  if (expiresAtMs <= nowMs) return 'expiry_past'
  if (account.available < amount) return 'funds_insufficient'
  return [{ type: 'ledger.hold_opened', holdId, accountId, ownerId, amount, expiresAtMs }]
}

/** Raises a hold to `lent` in all. Asking for what was already lent is a repeat and changes nothing. */
function decideRaiseHold(
  ledger: Ledger,
  command: LedgerCommand & { kind: 'raise_hold' },
): LedgerRefusal | LedgerEvent[] {
  const hold = ledger.holds.get(command.holdId)
  if (!hold) return 'hold_unknown'
  if (hold.ownerId !== command.ownerId) return 'hold_not_owned'
  const amount = command.lent - hold.lent
  if (amount <= 0n) return []
  const account = ledger.accounts.get(hold.accountId)
  assert(account, 'a hold has an account')
  if (account.available < amount) return 'funds_insufficient'
  return [{ type: 'ledger.hold_raised', holdId: hold.id, amount }]
}

/**
 * Pays for work that was done, so it is never refused for lack of money: the hold first, then what the account
 * has available, then the network's own loss. A hold that expired while its gateway was cut off is the case where
 * the later sources are used.
 */
function decideCapture(ledger: Ledger, command: CaptureCommand): LedgerRefusal | LedgerEvent[] {
  const { transferId, accountId, holdId, payouts, memo, isRefund, nowMs } = command
  if (payouts.length === 0 || payouts.some((payout) => payout.amount <= 0n)) return 'amount_not_positive'
  const account = ledger.accounts.get(accountId)
  if (!account || payouts.some((payout) => !ledger.accounts.has(payout.accountId))) return 'account_unknown'
  const hold = ledger.holds.get(holdId)
  if (hold && hold.accountId !== accountId) return 'hold_not_owned'

  const amount = payouts.reduce((sum, payout) => sum + payout.amount, 0n)
  const fromHold = minimum(amount, hold?.left ?? 0n)
  // An account that may be negative has nothing to give once it is.
  const fromAvailable = minimum(amount - fromHold, maximum(account.available, 0n))
  const fromLosses = amount - fromHold - fromAvailable
  return [
    {
      type: 'ledger.captured',
      transferId,
      accountId,
      holdId,
      fromHold,
      fromAvailable,
      fromLosses,
      payouts: [...payouts],
      memo,
      atMs: nowMs,
      ...(isRefund && { isRefund }),
    },
  ]
}

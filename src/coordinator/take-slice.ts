import { maximum, minimum } from '#kernel/money.ts'
import { consumerAccount } from '#ledger/ledger.ts'
import type { TakeSlice, TakeSliceReply } from '#protocol/cell.ts'
import type { Turn } from './turn.ts'

/** A slice lives this long unless it is renewed; the ledger waits another `HOLD_EXPIRY_GRACE_MS` before it lends it again. */
export const SLICE_TTL_MS = 180_000

/**
 * Lends a gateway part of an account's balance, or raises what it lent: to all that is wanted if the balance has it,
 * at least to what is needed, or not at all. Amounts count everything ever lent on this slice, so that a call whose
 * answer was lost can be repeated.
 */
export function takeSlice(
  turn: Turn,
  { gatewayId, organisationId, holdId, needed, wanted }: TakeSlice,
): TakeSliceReply {
  const accountId = consumerAccount(organisationId)
  const account = turn.state.ledger.accounts.get(accountId)
  if (!account) return refuse('account_unknown')

  const slice = turn.state.ledger.holds.get(holdId)
  if (slice && slice.ownerId !== gatewayId) return refuse('account_unknown')
  const lent = slice?.lent ?? 0n
  const target = maximum(needed, minimum(wanted, lent + account.available))
  if (target <= lent) return { lent, ttlMs: SLICE_TTL_MS, refusal: null }
  const refusal = slice
    ? turn.ledger({ kind: 'raise_hold', holdId, ownerId: gatewayId, lent: target })
    : turn.ledger({
        kind: 'open_hold',
        holdId,
        accountId,
        ownerId: gatewayId,
        amount: target,
        expiresAtMs: turn.nowMs + SLICE_TTL_MS,
        nowMs: turn.nowMs,
      })
  if (refusal) return refuse('funds_insufficient')
  return { lent: target, ttlMs: SLICE_TTL_MS, refusal: null }
}

const refuse = (refusal: 'funds_insufficient' | 'account_unknown'): TakeSliceReply => ({
  lent: null,
  ttlMs: 0,
  refusal,
})

/** Keeps slices that are in use for another full life. Answers those that are still lent. */
export function renewSlices(
  turn: Turn,
  { gatewayId, holdIds }: { gatewayId: string; holdIds: readonly string[] },
): string[] {
  return holdIds.filter((holdId) => {
    const hold = turn.state.ledger.holds.get(holdId)
    if (hold?.ownerId !== gatewayId) return false
    const expiresAtMs = turn.nowMs + SLICE_TTL_MS
    if (expiresAtMs > hold.expiresAtMs) {
      turn.ledger({ kind: 'extend_hold', holdId, ownerId: gatewayId, expiresAtMs })
    }
    return true
  })
}

/** Takes slices back. The gateway has brought in all usage on them before. A slice that is gone counts as returned. */
export function returnSlices(
  turn: Turn,
  { gatewayId, holdIds }: { gatewayId: string; holdIds: readonly string[] },
): string[] {
  for (const holdId of holdIds) turn.ledger({ kind: 'release_hold', holdId, ownerId: gatewayId })
  return [...holdIds]
}

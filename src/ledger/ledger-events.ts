/** What happened to money, as it stands in the journal. Versioned, only added to, replayed for ever. */
import { z } from 'zod'
import { NanoUsd } from '#protocol/money.ts'

export const AccountKind = z.enum(['consumer', 'provider', 'network', 'external'])
export type AccountKind = z.output<typeof AccountKind>

/** A posting to one account as part of a capture. */
export const Payout = z.object({ accountId: z.string(), amount: NanoUsd })
export type Payout = z.output<typeof Payout>

/** All of a payout's facts in each of its events: a list of payouts needs no other. */
const payoutFacts = {
  payoutId: z.string(),
  accountId: z.string(),
  amount: NanoUsd,
  method: z.string(),
  destination: z.string(),
  requestedAtMs: z.int(),
}

export const LedgerEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ledger.account_opened'), accountId: z.string(), kind: AccountKind }),
  z.object({
    type: z.literal('ledger.transferred'),
    transferId: z.string(),
    debitAccountId: z.string(),
    creditAccountId: z.string(),
    amount: NanoUsd,
    memo: z.string(),
    atMs: z.int(),
    /** What the money's way in is called outside. */
    externalReference: z.string().optional(),
  }),
  z.object({ type: z.literal('ledger.transfers_forgotten'), beforeMs: z.int() }),
  z.object({
    type: z.literal('ledger.hold_opened'),
    holdId: z.string(),
    accountId: z.string(),
    ownerId: z.string(),
    amount: NanoUsd,
    expiresAtMs: z.int(),
  }),
  z.object({ type: z.literal('ledger.hold_raised'), holdId: z.string(), amount: NanoUsd }),
  z.object({ type: z.literal('ledger.hold_extended'), holdId: z.string(), expiresAtMs: z.int() }),
  z.object({ type: z.literal('ledger.hold_released'), holdId: z.string(), amount: NanoUsd }),
  z.object({ type: z.literal('ledger.hold_expired'), holdId: z.string(), amount: NanoUsd }),
  z.object({
    type: z.literal('ledger.captured'),
    transferId: z.string(),
    accountId: z.string(),
    holdId: z.string(),
    fromHold: NanoUsd,
    fromAvailable: NanoUsd,
    /** What the payer could not cover: the network bears it, the provider is paid all the same. */
    fromLosses: NanoUsd,
    payouts: z.array(Payout),
    memo: z.string(),
    atMs: z.int(),
    /** The payer gives back what it had been paid: it has not earned it. */
    isRefund: z.boolean().optional(),
  }),
  z.object({ type: z.literal('ledger.payout_requested'), ...payoutFacts, atMs: z.int() }),
  z.object({
    type: z.literal('ledger.payout_paid'),
    ...payoutFacts,
    externalReference: z.string(),
    atMs: z.int(),
  }),
  z.object({ type: z.literal('ledger.payout_refused'), ...payoutFacts, reason: z.string(), atMs: z.int() }),
  z.object({ type: z.literal('ledger.payouts_forgotten'), beforeMs: z.int() }),
  z.object({ type: z.literal('ledger.spool_advanced'), spoolId: z.string(), nextSequence: z.int() }),
])
export type LedgerEvent = z.output<typeof LedgerEvent>

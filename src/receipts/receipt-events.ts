/** What became of receipts, as it stands in the journal. Versioned, only added to, replayed for ever. */
import { z } from 'zod'
import { ChainFacts, ExtraReceipt, SignedHead } from '#protocol/receipts.ts'

export const ReceiptEvent = z.discriminatedUnion('type', [
  /** Both sides stand for the chain up to this head. */
  z.object({
    type: z.literal('receipts.signed'),
    nodeId: z.string(),
    head: SignedHead,
    /** Where the coordinator may not have known the chain. */
    facts: ChainFacts.optional(),
    /** Receipts up to it that no meter reading brought. */
    extra: z.array(ExtraReceipt).optional(),
    atMs: z.int(),
  }),
  /** One that no meter reading brings, the next of its chain: the result of a task was taken. Its node has yet to sign it. */
  z.object({
    type: z.literal('receipts.made'),
    nodeId: z.string(),
    chain: z.string(),
    /** With the first of its chain. */
    facts: ChainFacts.optional(),
    receipt: ExtraReceipt,
    atMs: z.int(),
  }),
  /** Nothing of it can be claimed any more, and what its node has not signed stays unsigned. */
  z.object({
    type: z.literal('receipts.chain_forgotten'),
    chain: z.string(),
    unsigned: z.int().nonnegative(),
    atMs: z.int(),
  }),
])
export type ReceiptEvent = z.output<typeof ReceiptEvent>

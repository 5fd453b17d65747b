/** Receipts on the API: what both sides signed, to keep and to verify without the network. */
import { z } from 'zod'
import { hexOf, Id, TimestampMs } from './field.ts'
import { queryInt } from './page.ts'
import { ChainFacts, ReceiptDigest } from './receipts.ts'
import type { Routes } from './route.ts'

const Count = z.int().nonnegative()

const whose = {
  nodeId: Id.optional().describe('Of this node, all of it. Unless given: of the work for an organisation.'),
  organisationId: Id.optional().describe('Another organisation than the key’s own: operators only.'),
}

export const ReceiptChain = z
  .object({
    chain: ReceiptDigest,
    facts: ChainFacts.describe('What the chain begins with; its id is the hash of it.'),
    receipts: Count.describe('How many of its receipts are theirs.'),
    first: Count.describe('The number of the first of them.'),
    last: Count,
    after: z
      .object({ number: Count, hash: ReceiptDigest })
      .describe('The head before them: what both sides had signed.'),
    to: Count.describe('The number of the head behind them.'),
  })
  .meta({ id: 'ReceiptChain', description: 'One chain of receipts, as far as they are somebody’s.' })

export const ReceiptChains = z
  .object({
    network: hexOf(32).describe('The network’s ed25519 key.'),
    of: z.enum(['node', 'organisation']),
    id: Id,
    madeAtMs: TimestampMs,
    chains: z.array(ReceiptChain),
    signature: z.string().describe('By the network’s key: that there are these chains, and no more of them.'),
    asOfSequence: Count,
    lagEntries: Count,
  })
  .meta({ id: 'ReceiptChains', description: 'Chains of receipts, oldest first.' })

export const ReceiptLines = z
  .object({
    lines: z.array(z.string()).describe('Lines of a file of receipts, as `shoal verify` reads them.'),
    next: Count.nullable().describe('Give it as `after` to get the next ones; `null` on the last page.'),
  })
  .meta({ id: 'ReceiptLines', description: 'Receipts of one chain, in order.' })

export const receiptRoutes = {
  getNodeReceipts: {
    method: 'GET',
    path: '/api/nodes/:nodeId/receipts',
    scope: 'viewer',
    summary: 'Tells the chains of receipts of a node.',
    params: z.strictObject({ nodeId: Id }),
    reply: ReceiptChains,
  },
  getOrganisationReceipts: {
    method: 'GET',
    path: '/api/organisations/:organisationId/receipts',
    scope: 'viewer',
    summary: 'Tells the chains with receipts of the work that was done for an organisation.',
    params: z.strictObject({ organisationId: Id }),
    reply: ReceiptChains,
  },
  readReceipts: {
    method: 'GET',
    path: '/api/receipts/lines',
    scope: 'viewer',
    summary:
      'Reads receipts of one chain. Those that are not the reader’s are sealed: their hash stands in their place.',
    query: z.strictObject({
      chain: Id.describe('Its id. One that has none of theirs has no lines.'),
      ...whose,
      after: queryInt(0, Number.MAX_SAFE_INTEGER).optional().describe('Behind this number.'),
      to: queryInt(0, Number.MAX_SAFE_INTEGER).optional().describe('Up to this number.'),
      limit: queryInt(1, 1_000).optional().describe('Numbers in one page, at most 1,000; 500 unless given.'),
    }),
    reply: ReceiptLines,
  },
} as const satisfies Routes

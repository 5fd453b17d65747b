/** The receipts of the network in memory that tests of the commands run against: it has signed none. */
import type { receiptRoutes } from '#protocol/receipt-routes.ts'
import type { Handlers } from '#protocol/route.ts'

export const stubReceiptHandlers = (nowMs: number): Handlers<typeof receiptRoutes> => ({
  listReceiptChains: ({ query }) => ({
    network: 'ab'.repeat(32),
    of: query?.nodeId === undefined ? 'organisation' : 'node',
    id: query?.nodeId ?? query?.organisationId ?? 'org_1',
    madeAtMs: nowMs,
    chains: [],
    signature: '00'.repeat(64),
    asOfSequence: 41,
    lagEntries: 0,
  }),
  readReceipts: () => ({ lines: [], next: null }),
})

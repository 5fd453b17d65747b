/** The receipts of the network in memory that tests of the commands run against: it has signed none. */
import type { receiptRoutes } from '#protocol/receipt-routes.ts'
import type { Handlers } from '#protocol/route.ts'

export const stubReceiptHandlers = (nowMs: number): Handlers<typeof receiptRoutes> => ({
  getNodeReceipts: ({ params: { nodeId } }) => ({ ...none(nowMs), of: 'node', id: nodeId }),
  getOrganisationReceipts: ({ params: { organisationId } }) => ({
    ...none(nowMs),
    of: 'organisation',
    id: organisationId,
  }),
  readReceipts: () => ({ lines: [], next: null }),
})

const none = (madeAtMs: number) => ({
  network: 'ab'.repeat(32),
  madeAtMs,
  chains: [],
  signature: '00'.repeat(64),
  asOfSequence: 41,
  lagEntries: 0,
})

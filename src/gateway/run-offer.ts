import type { NodeConnection, Offer } from './node-connection.ts'
import type { RequestRun } from './request-run.ts'
import type { Seat } from './routing/seat.ts'

export type LiveSeat = Seat<NodeConnection>

/** What the node offers to this request: work of batches has prices of its own. */
export const offerFor = ({ request }: RequestRun, { node, offer, model }: LiveSeat): Offer | undefined =>
  request.batch ? node.batchOffers.get(model) : offer

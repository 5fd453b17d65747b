import type { NodeConnection, Offer } from './node-connection.ts'
import type { RequestRun } from './request-run.ts'
import type { Seat } from './routing/seat.ts'
import type { RunRequest } from './run-request.ts'

export type LiveSeat = Seat<NodeConnection>

/** What the node offers to this request: work of batches has prices of its own. */
export const offerFor = ({ request }: RequestRun, { node, offer, model }: LiveSeat): Offer | undefined =>
  request.batch ? node.batchOffers.get(model) : offer

/** Of `seats` those that take such a request at all, with what they offer to it. */
export function offeredTo(
  { batch }: Pick<RunRequest, 'batch'>,
  seats: readonly LiveSeat[],
): readonly Pick<LiveSeat, 'facts' | 'offer'>[] {
  if (!batch) return seats
  return seats.flatMap(({ facts, node, model }) => {
    const offer = node.batchOffers.get(model)
    return offer ? [{ facts, offer }] : []
  })
}

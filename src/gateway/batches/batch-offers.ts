/** What nodes take of batches: at which price, and how much at a time. */
import { batchLimits } from '#batch/batch-limits.ts'
import { divideUp, type NanoUsd } from '#kernel/money.ts'
import type { NodeConnection, Offer } from '../node-connection.ts'

const BPS = 10_000n

/**
 * The offers of a node that takes `discountBps` off its ask for batches, rounded up to whole nano-USD per million tokens;
 * none where that is less than batches are promised to save.
 */
export function batchOffers(
  offers: ReadonlyMap<string, Offer>,
  discountBps: number | null,
  { discountBpsMin } = batchLimits,
): ReadonlyMap<string, Offer> {
  if (discountBps === null || discountBps < discountBpsMin) return new Map()
  const left = (amount: NanoUsd): NanoUsd => divideUp(amount * (BPS - BigInt(discountBps)), BPS)
  const discounted = ({ model, price }: Offer): Offer => ({
    model,
    price: {
      promptPerMillion: left(price.promptPerMillion),
      completionPerMillion: left(price.completionPerMillion),
      ...(price.cachedPerMillion !== undefined && { cachedPerMillion: left(price.cachedPerMillion) }),
    },
  })
  return new Map([...offers].map(([id, offer]) => [id, discounted(offer)]))
}

/** Slots of a node that batches leave free for those who wait. One slot alone is not reserved. */
export const slotsReserved = (slots: number, { slotsReservedBps } = batchLimits): number =>
  Math.min(Math.ceil((slots * slotsReservedBps) / 10_000), slots - 1)

/** How many more requests of batches `node` may get now. */
export function batchRoomOf(node: NodeConnection, model: string): number {
  const slots = node.batchOffers.get(model)?.model.slots ?? 0
  return slots === 0 ? 0 : Math.max(0, slots - slotsReserved(slots) - node.outstanding())
}

/** What a request is told that found no node, or no money, in time. */
import { Problem } from '#protocol/problem.ts'
import type { NodeLinks } from './node-links.ts'
import type { RequestRun } from './request-run.ts'

export function noNodeInTime(run: RequestRun, nodes: Pick<NodeLinks, 'ready'>): Problem {
  const { model, waitMsMax } = run
  const waited = `${Math.round(waitMsMax / 1_000)} s`
  if (run.isContinuing) {
    return new Problem(
      'node_failed',
      `The node failed while it answered, and no other node with the same weights of '${model}' was free within ${waited} to go on. Try again.`,
    )
  }
  const serving = [...nodes.ready()].filter((node) => node.offers.has(model)).length
  const failed = run.failedOffers.size
  const why =
    serving === 0
      ? 'none is connected'
      : `${serving} ${serving === 1 ? 'is' : 'are'} connected${failed > 0 ? `, ${failed} failed this request` : ''}, and no slot came free`
  return new Problem(
    'no_node_available',
    `No node could take '${model}' within ${waited}: ${why}. Try again later, or add a node with "shoal provide".`,
  )
}

export const notReserved = (): Problem =>
  new Problem(
    'unavailable',
    'The coordinator did not answer in time to reserve the cost of this request. Try again later.',
  )

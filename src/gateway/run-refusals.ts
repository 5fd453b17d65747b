/** What a request is told that found no node, or no money, in time. */
import { Problem } from '#protocol/problem.ts'
import type { Directory } from './directory.ts'
import type { NodeConnection } from './node-connection.ts'
import type { NodeLinks } from './node-links.ts'
import type { RequestRun } from './request-run.ts'

interface Around {
  readonly nodes: Pick<NodeLinks, 'ready' | 'all'>
  readonly directory: Pick<Directory, 'node'>
}

export function noNodeInTime(run: RequestRun, { nodes, directory }: Around): Problem {
  const { model, waitMsMax } = run
  const waited = `${Math.round(waitMsMax / 1_000)} s`
  if (run.isContinuing) {
    return new Problem(
      'node_failed',
      `The node failed while it answered, and no other node with the same weights of '${model}' was free within ${waited} to go on. Try again.`,
    )
  }
  const ready = new Set([...nodes.ready()].filter((node) => node.offers.has(model)))
  const serving = ready.size
  const held = [...nodes.all()].filter((node) => node.hasOffered(model) && !ready.has(node))
  const failed = run.failedOffers.size
  const why =
    serving === 0
      ? 'none that gets work is connected'
      : `${serving} ${serving === 1 ? 'is' : 'are'} connected${failed > 0 ? `, ${failed} failed this request` : ''}, and no slot came free`
  return new Problem(
    'no_node_available',
    `No node could take '${model}' within ${waited}: ${why}${heldBack(held, directory)}. Try again later, or add a node with "shoal provide".`,
  )
}

/** Of those that are connected, how many get no work, and why. */
function heldBack(nodes: readonly NodeConnection[], directory: Around['directory']): string {
  if (nodes.length === 0) return ''
  const counts = Map.groupBy(nodes, (node) => reasonFor(node, directory))
  const told = [...counts].map(([reason, of]) => `${of.length} ${of.length === 1 ? 'is' : 'are'} ${reason}`)
  return `; of others that have it ${told.join(', ')}`
}

const bars = {
  unproven: 'proving hardware',
  quarantined: 'in quarantine',
  sick: 'ill',
  suspended: 'suspended',
} as const

function reasonFor(node: NodeConnection, directory: Around['directory']): string {
  const known = directory.node(node.nodeId)
  if (known?.isBanned) return 'banned'
  if (known?.barred) return bars[known.barred.code]
  if (known?.isDrained || node.isDraining) return 'drained'
  if (node.isSick) return bars.sick
  return node.status === 'online' ? 'not loaded' : 'silent'
}

export const notReserved = (): Problem =>
  new Problem(
    'unavailable',
    'The coordinator did not answer in time to reserve the cost of this request. Try again later.',
  )

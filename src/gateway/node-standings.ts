/** Tells nodes that want to know whether they get work, and what keeps them from it. */
import type { NodeStanding } from '#protocol/agent-link.ts'
import { encodeJsonFrame, FrameType } from '#protocol/frame.ts'
import type { Directory } from './directory.ts'
import type { NodeConnection } from './node-connection.ts'

type StandingNode = Pick<NodeConnection, 'nodeId' | 'send'>

export interface NodeStandings {
  /** As the directory knows it now; from here on the node is told of changes. */
  admitted(node: StandingNode): NodeStanding
  /** Tells the node what changed, if it is one that wants to know. */
  tell(node: StandingNode): void
}

export function createNodeStandings(directory: Pick<Directory, 'node'>): NodeStandings {
  /** What each connection was told last. */
  const told = new WeakMap<StandingNode, string>()
  const standingOf = ({ nodeId }: StandingNode): NodeStanding => ({
    barred: directory.node(nodeId)?.barred ?? null,
  })
  const textOf = ({ barred }: NodeStanding): string => (barred ? `${barred.code} ${barred.message}` : '')
  return {
    admitted(node) {
      const standing = standingOf(node)
      told.set(node, textOf(standing))
      return standing
    },
    tell(node) {
      const before = told.get(node)
      if (before === undefined) return
      const standing = standingOf(node)
      if (textOf(standing) === before) return
      told.set(node, textOf(standing))
      node.send(encodeJsonFrame(FrameType.health, 0, standing))
    },
  }
}

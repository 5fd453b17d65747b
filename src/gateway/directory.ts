import type { FollowedKey, FollowedNode, FollowReply } from '#protocol/cell.ts'

/** The gateway's copy of who is who: enrolled nodes by id and live keys by hash. It only ever lags, and says how far. */
export interface Directory {
  /** False until the first reply: until then nobody can be refused as unknown. */
  isLoaded(): boolean
  epoch(): number
  version(): number
  node(nodeId: string): FollowedNode | undefined
  keyByHash(hash: string): FollowedKey | undefined
  /** True when some enrolled node serves `model`, whether it is here now or not. */
  knowsModel(model: string): boolean
  apply(reply: FollowReply): void
}

export function createDirectory(): Directory {
  let epoch = 0
  let version = 0
  let nodes = new Map<string, FollowedNode>()
  let keys = new Map<string, FollowedKey>()
  return {
    isLoaded: () => epoch > 0,
    epoch: () => epoch,
    version: () => version,
    node: (nodeId) => nodes.get(nodeId),
    keyByHash: (hash) => keys.get(hash),
    knowsModel(model) {
      for (const node of nodes.values()) if (!node.isBanned && node.models.includes(model)) return true
      return false
    },
    apply(reply) {
      // A reply that an older coordinator sent before it was replaced must not undo the newer one's.
      if (reply.epoch < epoch || (reply.epoch === epoch && reply.version < version)) return
      if (reply.isComplete) {
        nodes = new Map()
        keys = new Map()
      }
      epoch = reply.epoch
      version = reply.version
      for (const node of reply.nodes) nodes.set(node.id, node)
      for (const key of reply.keys) {
        if (key.isRevoked) keys.delete(key.hash)
        else keys.set(key.hash, key)
      }
    },
  }
}

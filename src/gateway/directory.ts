import type { Clock } from '#host/host.ts'
import type { TimestampMs } from '#kernel/time.ts'
import type { FollowedKey, FollowedNode, FollowReply } from '#protocol/cell.ts'

/** The gateway's copy of who is who: enrolled nodes by id and live keys by hash. It only ever lags, and says how far. */
export interface Directory {
  /** False until the first reply: until then nobody can be refused as unknown. */
  isLoaded(): boolean
  epoch(): number
  version(): number
  node(nodeId: string): FollowedNode | undefined
  /** A key that is neither revoked nor expired, by the cell's time. */
  keyByHash(hash: string): FollowedKey | undefined
  /** Cell time, never too early: a key ends here no later than at the coordinator. */
  cellNowMs(): TimestampMs
  /** True when some enrolled node serves `model`, whether it is here now or not. */
  knowsModel(model: string): boolean
  /** Where the API of the newest coordinator is, when it is not in this process. */
  leaderUrl(): string | null
  /** `askedMs`: when the reply was asked for, by the monotonic clock. */
  apply(reply: FollowReply, askedMs?: number): void
}

/** For directories without keys that end. */
const stopped = { nowMs: () => 0, elapsedMs: () => 0 }

export function createDirectory(clock: Pick<Clock, 'nowMs' | 'elapsedMs'> = stopped): Directory {
  let epoch = 0
  let version = 0
  let leaderUrl: string | null = null
  let nodes = new Map<string, FollowedNode>()
  let keys = new Map<string, FollowedKey>()
  /** Cell time less the monotonic clock; `null` until the coordinator told. */
  let cellOffsetMs: number | null = null
  const cellNowMs = (): TimestampMs =>
    cellOffsetMs === null ? clock.nowMs() : Math.ceil(cellOffsetMs + clock.elapsedMs())
  return {
    cellNowMs,
    isLoaded: () => epoch > 0,
    epoch: () => epoch,
    version: () => version,
    node: (nodeId) => nodes.get(nodeId),
    keyByHash(hash) {
      const key = keys.get(hash)
      return key?.expiresAtMs === undefined || cellNowMs() < key.expiresAtMs ? key : undefined
    },
    knowsModel(model) {
      for (const node of nodes.values()) if (!node.isBanned && node.models.includes(model)) return true
      return false
    },
    leaderUrl: () => leaderUrl,
    apply(reply, askedMs = clock.elapsedMs()) {
      // A reply that an older coordinator sent before it was replaced must not undo the newer one's.
      if (reply.epoch < epoch || (reply.epoch === epoch && reply.version < version)) return
      if (reply.isComplete) {
        nodes = new Map()
        keys = new Map()
      }
      epoch = reply.epoch
      version = reply.version
      // The reply was made after it was asked for, so this is at most ahead.
      if (reply.nowMs !== undefined) cellOffsetMs = reply.nowMs - askedMs
      leaderUrl = reply.apiUrl ?? null
      for (const node of reply.nodes) nodes.set(node.id, node)
      for (const key of reply.keys) {
        if (key.isRevoked) keys.delete(key.hash)
        else keys.set(key.hash, key)
      }
    },
  }
}

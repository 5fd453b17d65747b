import type { Clock } from '#host/host.ts'
import type { TimestampMs } from '#kernel/time.ts'
import type { FollowedKey, FollowedNode, FollowReply } from '#protocol/cell.ts'
import type { ColdModel, FollowedModel } from '#protocol/model-catalogue.ts'

/** The gateway's copy of who is who: enrolled nodes by id and live keys by hash. It only ever lags, and says how far. */
export interface Directory {
  /** False until the first reply: until then nobody can be refused as unknown. */
  isLoaded(): boolean
  epoch(): number
  version(): number
  node(nodeId: string): FollowedNode | undefined
  /** A key that is neither revoked nor expired, by the cell's time. */
  keyByHash(hash: string): FollowedKey | undefined
  /** As `keyByHash`, by its id. */
  keyById(keyId: string): FollowedKey | undefined
  /** Cell time, never too early: a key ends here no later than at the coordinator. */
  cellNowMs(): TimestampMs
  /** True when some enrolled node serves `model`, whether it is here now or not. */
  knowsModel(model: string): boolean
  /**
   * True when a node at another gateway may work, has `model` (null: any) and is up, as it was told last. `here`: those that
   * are connected to this one, whose connections know better.
   */
  isUpElsewhere(model: string | null, here: ReadonlySet<string>): boolean
  /** The organisation whose nodes alone offer it; null where nobody's or several's do, or the network hosts it. */
  onlyOwner(model: string): string | null
  /** A model of the network's catalogue. */
  catalogued(model: string): FollowedModel | undefined
  /** The whole catalogue. */
  catalogue(): Iterable<FollowedModel>
  /** What the coordinator told last of a model that no node serves, and when, by the monotonic clock. */
  cold(model: string): { readonly cold: ColdModel | undefined; readonly toldAtMs: number }
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
  let gateways = 1
  let nodes = new Map<string, FollowedNode>()
  let keys = new Map<string, FollowedKey>()
  let models = new Map<string, FollowedModel>()
  let coldModels: { told: readonly ColdModel[]; toldAtMs: number } = { told: [], toldAtMs: 0 }
  /** Cell time less the monotonic clock; `null` until the coordinator told. */
  let cellOffsetMs: number | null = null
  let hashes = new Map<string, string>()
  const alive = (key: FollowedKey | undefined): FollowedKey | undefined =>
    key?.expiresAtMs === undefined || cellNowMs() < key.expiresAtMs ? key : undefined
  const cellNowMs = (): TimestampMs =>
    cellOffsetMs === null ? clock.nowMs() : Math.ceil(cellOffsetMs + clock.elapsedMs())
  return {
    cellNowMs,
    isLoaded: () => epoch > 0,
    epoch: () => epoch,
    version: () => version,
    node: (nodeId) => nodes.get(nodeId),
    keyByHash: (hash) => alive(keys.get(hash)),
    keyById: (keyId) => alive(keys.get(hashes.get(keyId) ?? '')),
    knowsModel(model) {
      for (const node of nodes.values()) if (!node.isBanned && node.models.includes(model)) return true
      return false
    },
    isUpElsewhere(model, here) {
      if (gateways <= 1) return false
      for (const { id, isBanned, isDrained, barred, models: has, upSinceMs } of nodes.values()) {
        const mayWork = !isBanned && !isDrained && !barred && upSinceMs !== undefined
        const hasIt = model === null ? has.length > 0 : has.includes(model)
        if (mayWork && hasIt && !here.has(id)) return true
      }
      return false
    },
    onlyOwner(model) {
      if (models.has(model)) return null
      let owner: string | null = null
      for (const node of nodes.values()) {
        if (!node.models.includes(model) || node.organisationId === owner) continue
        if (owner !== null) return null
        owner = node.organisationId
      }
      return owner
    },
    catalogued: (model) => models.get(model),
    catalogue: () => models.values(),
    cold: (model) => ({
      cold: coldModels.told.find((cold) => cold.model === model),
      toldAtMs: coldModels.toldAtMs,
    }),
    leaderUrl: () => leaderUrl,
    apply(reply, askedMs = clock.elapsedMs()) {
      // A reply that an older coordinator sent before it was replaced must not undo the newer one's.
      if (reply.epoch < epoch || (reply.epoch === epoch && reply.version < version)) return
      if (reply.isComplete) {
        nodes = new Map()
        keys = new Map()
        hashes = new Map()
      }
      epoch = reply.epoch
      version = reply.version
      // The reply was made after it was asked for, so this is at most ahead.
      if (reply.nowMs !== undefined) cellOffsetMs = reply.nowMs - askedMs
      leaderUrl = reply.apiUrl ?? null
      gateways = reply.gateways ?? 1
      if (reply.models) models = new Map(reply.models.map((model) => [model.model, model]))
      coldModels = { told: reply.loading ?? [], toldAtMs: askedMs }
      for (const node of reply.nodes) nodes.set(node.id, node)
      for (const key of reply.keys) {
        if (key.isRevoked) {
          keys.delete(key.hash)
          hashes.delete(key.id)
        } else {
          keys.set(key.hash, key)
          hashes.set(key.id, key.hash)
        }
      }
    },
  }
}

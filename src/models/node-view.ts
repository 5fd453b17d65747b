import type { TimestampMs } from '#kernel/time.ts'
import type { HostingStage } from '#protocol/model-catalogue.ts'
import type { NodeClass } from '#protocol/node-class.ts'

/** What the planner may know of a node. */
export interface NodeView {
  readonly nodeId: string
  readonly ownerId: string
  readonly nodeClass: NodeClass
  /** It is here, let in, and takes work. */
  readonly isAvailable: boolean
  /** Since when `isAvailable` is what it is. */
  readonly sinceMs: TimestampMs
  /** Models that it offers now, by its owner's choice or the network's. */
  readonly serves: ReadonlySet<string>
  /** Those of them for which it asks more than may be paid: callers do not get them. */
  readonly tooDear: ReadonlySet<string>
  /** Null for a node that takes no orders: its owner alone chooses what it serves. */
  readonly hosting: Hosting | null
  /** How far it is with what was placed on it, as it says itself. */
  readonly stages: ReadonlyMap<string, HostingStage>
  /** What else may take several nodes at once, by name: where it stands, its network, its version of the agent. */
  readonly shares?: Readonly<Record<'region' | 'network' | 'agentVersion', string | null>>
  /** How well it works, from 0 to 1; absent: nothing is known. */
  readonly standing?: number
}

export interface Hosting {
  readonly memoryMib: number
  readonly cacheMib: number
  /** Models that its owner lets in; null for all. */
  readonly accepts: readonly string[] | null
  /** Keys of the files that are in its cache. */
  readonly cached: readonly string[]
  /** Bytes of weights that it goes through in a second of decoding, measured or by its kind. */
  readonly bytesPerSecond: number
}

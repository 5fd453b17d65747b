/**
 * The nodes of the network: who they are, what they can do, whether they are there.
 *
 * A node enrols once with a single-use token and is known from then on by its ed25519 key. Presence moves
 *
 *   absent → online → suspect → online     it came back within its grace, through any gateway
 *                     suspect → absent     it is lost
 *            online → absent               it left, in order
 *
 * Heartbeats end at the gateway; only these transitions reach the journal. A *session* counts a node's connections,
 * so that the late news of an old connection cannot unseat a newer one.
 */
import { assert } from '#kernel/assert.ts'
import type { NanoUsd } from '#kernel/money.ts'
import type { TimestampMs } from '#kernel/time.ts'
import type { Capability } from '#protocol/capability.ts'
import type { NodeClass } from '#protocol/node-class.ts'
import type { LossReason } from './fleet-events.ts'

export interface Fleet {
  nodes: Map<string, Node>
  nodeIdByPublicKey: Map<string, string>
  /** Enrolment tokens that can still be used, by their hash. */
  tokens: Map<string, EnrolmentToken>
}

export interface Node {
  readonly id: string
  readonly organisationId: string
  readonly publicKey: string
  readonly name: string
  readonly enrolledAtMs: TimestampMs
  presence: Presence
  /** Of the newest connection; 0 before the first. */
  session: number
  gatewayId: string | null
  /** Since when `presence` is what it is. */
  presenceSinceMs: TimestampMs
  lossReason: LossReason | null
  isDrained: boolean
  bannedReason: string | null
  nodeClass: NodeClass
  askPerGpuHour: NanoUsd
  capability: Capability | null
}
export type Presence = 'absent' | 'online' | 'suspect'

export interface EnrolmentToken {
  readonly hash: string
  readonly organisationId: string
  readonly expiresAtMs: TimestampMs
}

/** A suspect node has this long to come back before it is lost. */
export const SUSPECT_GRACE_MS = 15_000

export const emptyFleet = (): Fleet => ({ nodes: new Map(), nodeIdByPublicKey: new Map(), tokens: new Map() })

/** Throws unless every node can be found by its key and its presence agrees with its gateway. */
export function checkFleet(fleet: Fleet): void {
  for (const node of fleet.nodes.values()) {
    assert(fleet.nodeIdByPublicKey.get(node.publicKey) === node.id, `node ${node.id} has lost its key`)
    assert(node.presence === 'absent' || node.gatewayId !== null, `${node.id} is present at no gateway`)
    assert(node.presence === 'absent' || node.session > 0, `${node.id} is present without a session`)
  }
  assert(fleet.nodeIdByPublicKey.size === fleet.nodes.size, 'a key names a node that is not there')
}

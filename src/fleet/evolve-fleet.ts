import { assert, unreachable } from '#kernel/assert.ts'
import type { TimestampMs } from '#kernel/time.ts'
import type { Fleet, Node, Presence } from './fleet.ts'
import type { FleetEvent } from './fleet-events.ts'

/** Applies an event that `decideFleet` returned for this same state. The only writer of the fleet. */
export function evolveFleet(fleet: Fleet, event: FleetEvent): void {
  switch (event.type) {
    case 'fleet.token_issued': {
      const { tokenHash: hash, organisationId, expiresAtMs } = event
      fleet.tokens.set(hash, { hash, organisationId, expiresAtMs })
      break
    }
    case 'fleet.token_expired':
      fleet.tokens.delete(event.tokenHash)
      break
    case 'fleet.node_enrolled':
      evolveEnrolled(fleet, event)
      break
    case 'fleet.node_reported': {
      const node = nodeOf(fleet, event.nodeId)
      node.capability = event.capability
      node.askPerGpuHour = event.askPerGpuHour
      break
    }
    case 'fleet.node_online': {
      const node = nodeOf(fleet, event.nodeId)
      setPresence(node, 'online', event.atMs)
      node.session = event.session
      node.gatewayId = event.gatewayId
      node.lossReason = null
      break
    }
    case 'fleet.node_suspect':
    case 'fleet.node_lost': {
      const node = nodeOf(fleet, event.nodeId)
      setPresence(node, event.type === 'fleet.node_suspect' ? 'suspect' : 'absent', event.atMs)
      node.lossReason = event.reason
      break
    }
    case 'fleet.node_drained':
      nodeOf(fleet, event.nodeId).isDrained = true
      break
    case 'fleet.node_undrained':
      nodeOf(fleet, event.nodeId).isDrained = false
      break
    case 'fleet.node_banned':
      nodeOf(fleet, event.nodeId).bannedReason = event.reason
      break
    case 'fleet.node_unbanned':
      nodeOf(fleet, event.nodeId).bannedReason = null
      break
    case 'fleet.node_classed':
      nodeOf(fleet, event.nodeId).nodeClass = event.nodeClass
      break
    default:
      unreachable(event)
  }
}

function evolveEnrolled(fleet: Fleet, event: FleetEvent & { type: 'fleet.node_enrolled' }): void {
  const { nodeId: id, organisationId, publicKey, name, tokenHash, askPerGpuHour, atMs } = event
  fleet.tokens.delete(tokenHash)
  fleet.nodeIdByPublicKey.set(publicKey, id)
  fleet.nodes.set(id, {
    id,
    organisationId,
    publicKey,
    name,
    enrolledAtMs: atMs,
    presence: 'absent',
    session: 0,
    gatewayId: null,
    presenceSinceMs: atMs,
    lossReason: null,
    isDrained: false,
    bannedReason: null,
    nodeClass: 'community',
    askPerGpuHour,
    capability: null,
  })
}

function setPresence(node: Node, presence: Presence, atMs: TimestampMs): void {
  node.presence = presence
  node.presenceSinceMs = atMs
}

function nodeOf(fleet: Fleet, nodeId: string): Node {
  const node = fleet.nodes.get(nodeId)
  assert(node, `node ${nodeId} exists, for decide checked it`)
  return node
}

import { unreachable } from '#kernel/assert.ts'
import { areEqual } from '#kernel/canonical.ts'
import type { NanoUsd } from '#kernel/money.ts'
import type { TimestampMs } from '#kernel/time.ts'
import type { Capability } from '#protocol/capability.ts'
import type { NodeClass } from '#protocol/node-class.ts'
import { type Fleet, type Node, SUSPECT_GRACE_MS } from './fleet.ts'
import type { FleetEvent, LossReason } from './fleet-events.ts'

export type FleetCommand =
  | {
      kind: 'issue_token'
      tokenHash: string
      organisationId: string
      expiresAtMs: TimestampMs
      nowMs: TimestampMs
    }
  | { kind: 'expire_token'; tokenHash: string; nowMs: TimestampMs }
  | EnrolCommand
  | { kind: 'report'; nodeId: string; capability: Capability; askPerGpuHour: NanoUsd; nowMs: TimestampMs }
  | { kind: 'come_online'; nodeId: string; gatewayId: string; session: number; nowMs: TimestampMs }
  | (AbsenceCommand & { kind: 'suspect' })
  | (AbsenceCommand & { kind: 'lose' })
  | { kind: 'drain'; nodeId: string; nowMs: TimestampMs }
  | { kind: 'undrain'; nodeId: string; nowMs: TimestampMs }
  | { kind: 'ban'; nodeId: string; reason: string; nowMs: TimestampMs }
  | { kind: 'unban'; nodeId: string; nowMs: TimestampMs }
  | { kind: 'class'; nodeId: string; nodeClass: NodeClass; nowMs: TimestampMs }

export interface EnrolCommand {
  kind: 'enrol'
  nodeId: string
  publicKey: string
  name: string
  tokenHash: string
  askPerGpuHour: NanoUsd
  /** Which it comes from, where that is known. */
  network?: string
  nowMs: TimestampMs
}

interface AbsenceCommand {
  nodeId: string
  /** The connection that this news is about; news of an older one is refused as `session_stale`. */
  session: number
  reason: LossReason
  nowMs: TimestampMs
}

/** Ordered by precedence. */
export type FleetRefusal =
  | 'key_enrolled'
  | 'token_exists'
  | 'token_unknown'
  | 'token_expired'
  | 'token_not_expired'
  | 'node_exists'
  | 'node_unknown'
  | 'node_banned'
  | 'session_stale'
  | 'presence_unchanged'
  | 'grace_not_over'
  | 'attestation_missing'

/** The events that `command` causes (none when it asks for what already is), or why it is refused. */
export function decideFleet(fleet: Fleet, command: FleetCommand): FleetRefusal | FleetEvent[] {
  switch (command.kind) {
    case 'issue_token': {
      const { tokenHash, organisationId, expiresAtMs, nowMs } = command
      if (fleet.tokens.has(tokenHash)) return 'token_exists'
      if (expiresAtMs <= nowMs) return 'token_expired'
      return [{ type: 'fleet.token_issued', tokenHash, organisationId, expiresAtMs, atMs: nowMs }]
    }
    case 'expire_token': {
      const token = fleet.tokens.get(command.tokenHash)
      if (!token) return 'token_unknown'
      if (command.nowMs < token.expiresAtMs) return 'token_not_expired'
      return [{ type: 'fleet.token_expired', tokenHash: token.hash }]
    }
    case 'enrol':
      return decideEnrol(fleet, command)
    default:
      return decideNode(fleet, command)
  }
}

/**
 * A key that is enrolled already with this same token gets no second node but no refusal either: an agent whose
 * answer was lost asks again. The token is spent by the first enrolment, so the key is looked up before the token.
 */
function decideEnrol(fleet: Fleet, command: EnrolCommand): FleetRefusal | FleetEvent[] {
  const { nodeId, publicKey, name, tokenHash, askPerGpuHour, network, nowMs } = command
  if (fleet.nodeIdByPublicKey.has(publicKey)) return 'key_enrolled'
  const token = fleet.tokens.get(tokenHash)
  if (!token) return 'token_unknown'
  if (nowMs >= token.expiresAtMs) return 'token_expired'
  if (fleet.nodes.has(nodeId)) return 'node_exists'
  const { organisationId } = token
  return [
    {
      type: 'fleet.node_enrolled',
      nodeId,
      organisationId,
      publicKey,
      name,
      tokenHash,
      askPerGpuHour,
      ...(network !== undefined && { network }),
      atMs: nowMs,
    },
  ]
}

type NodeCommand = Exclude<FleetCommand, { kind: 'issue_token' | 'expire_token' | 'enrol' }>

function decideNode(fleet: Fleet, command: NodeCommand): FleetRefusal | FleetEvent[] {
  const { nodeId, nowMs: atMs } = command
  const node = fleet.nodes.get(nodeId)
  if (!node) return 'node_unknown'
  switch (command.kind) {
    case 'report': {
      const { capability, askPerGpuHour } = command
      // A node reports with every connection; only news is worth remembering.
      if (node.askPerGpuHour === askPerGpuHour && areEqual(node.capability, capability)) return []
      return [{ type: 'fleet.node_reported', nodeId, capability, askPerGpuHour, atMs }]
    }
    case 'come_online':
      return decideOnline(node, command)
    case 'suspect': {
      const { reason } = command
      if (command.session !== node.session) return 'session_stale'
      if (node.presence !== 'online') return 'presence_unchanged'
      return [{ type: 'fleet.node_suspect', nodeId, reason, atMs }]
    }
    case 'lose':
      return decideLose(node, command)
    case 'drain':
      return node.isDrained ? [] : [{ type: 'fleet.node_drained', nodeId, atMs }]
    case 'undrain':
      return node.isDrained ? [{ type: 'fleet.node_undrained', nodeId, atMs }] : []
    case 'ban':
      return node.bannedReason === null
        ? [{ type: 'fleet.node_banned', nodeId, reason: command.reason, atMs }]
        : []
    case 'unban':
      return node.bannedReason === null ? [] : [{ type: 'fleet.node_unbanned', nodeId, atMs }]
    case 'class': {
      const { nodeClass } = command
      // Only a proof of the hardware's maker gives this class, and none is verified yet.
      if (nodeClass === 'attested') return 'attestation_missing'
      return node.nodeClass === nodeClass ? [] : [{ type: 'fleet.node_classed', nodeId, nodeClass, atMs }]
    }
    default:
      return unreachable(command)
  }
}

/**
 * A newer session always wins. The same session may only return from a silence, its own or its gateway's, however long
 * that was: its connection may well have outlived it, with answers under way. Once its link closed it is over, and late
 * news of it must not raise it from the dead.
 */
function decideOnline(
  node: Node,
  command: { gatewayId: string; session: number; nowMs: TimestampMs },
): FleetRefusal | FleetEvent[] {
  const { gatewayId, session, nowMs: atMs } = command
  if (node.bannedReason !== null) return 'node_banned'
  if (session < node.session) return 'session_stale'
  if (session === node.session) {
    if (node.gatewayId !== gatewayId) return 'session_stale'
    if (node.presence === 'online') return []
    if (isOver(node.lossReason)) return 'session_stale'
  }
  return [{ type: 'fleet.node_online', nodeId: node.id, gatewayId, session, atMs }]
}

function decideLose(node: Node, command: AbsenceCommand): FleetRefusal | FleetEvent[] {
  const { session, reason, nowMs } = command
  if (session !== node.session) return 'session_stale'
  if (node.presence === 'absent') return 'presence_unchanged'
  // A node that says goodbye is gone at once; one that merely fell silent keeps its grace.
  const isGraceOver = node.presence === 'suspect' && nowMs >= node.presenceSinceMs + SUSPECT_GRACE_MS
  if (reason !== 'left' && !isGraceOver) return 'grace_not_over'
  // A connection that closed stays closed, whatever else is said of it.
  const why = reason !== 'left' && isOver(node.lossReason) ? node.lossReason : reason
  return [{ type: 'fleet.node_lost', nodeId: node.id, reason: why, atMs: nowMs }]
}

/** Whether what ended the presence ended the connection, too. */
const isOver = (reason: Node['lossReason']): reason is 'link_closed' | 'left' =>
  reason === 'link_closed' || reason === 'left'

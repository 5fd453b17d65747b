import { unreachable } from '#kernel/assert.ts'
import { formatDuration, MINUTE_MS, type TimestampMs } from '#kernel/time.ts'
import { isProcessor, timeBounds } from './class-times.ts'
import {
  FORGERIES_MAX,
  GRACE_MS,
  type Hardware,
  isForgery,
  isOfOneCard,
  isProven,
  owesProof,
  type ProofRecord,
} from './hardware.ts'
import type { AnswerRefusal, HardwareEvent, ProofFault, ProofWhy } from './hardware-events.ts'
import { JOIN_WINDOW_MS, type JoinLimits, type JoinRefusal, joinRefusal } from './join-limits.ts'

export type HardwareCommand =
  | { kind: 'set_policy'; isRequired: boolean; nowMs: TimestampMs }
  /** The passing of time: what ends by it. */
  | { kind: 'keep_time'; nowMs: TimestampMs }
  | JoinCommand
  | ClaimCommand
  | JudgeCommand
  | { kind: 'refuse_answer'; nodeId: string; reason: AnswerRefusal; nowMs: TimestampMs }
  | { kind: 'release'; nodeId: string; by: 'operator' | 'proof'; nowMs: TimestampMs }

export interface JoinCommand {
  kind: 'join'
  nodeId: string
  organisationId: string
  /** `null`: unknown, or a private one. */
  network: string | null
  limits: JoinLimits
  /** Nodes of the last day that did verified work count for nothing. */
  hasWorked: (nodeId: string) => boolean
  nowMs: TimestampMs
}

export interface ClaimCommand {
  kind: 'claim'
  nodeId: string
  organisationId: string
  /** What it can prove; as it was, where it is not told. */
  devices?: readonly { readonly deviceId: string; readonly deviceClass: string }[]
  cardIds: readonly string[]
  nowMs: TimestampMs
}

export interface JudgeCommand {
  kind: 'judge'
  nodeId: string
  deviceId: string
  why: ProofWhy
  outcome: GoodAnswer | { readonly fault: ProofFault; readonly detail: string }
  nowMs: TimestampMs
}

interface GoodAnswer {
  readonly computeMs: number
  /** Multiplications that the challenge took. */
  readonly products: number
  /** That it was asked for. */
  readonly rows?: number
  /** Fewer than its memory is worth: the rest of it was in use. */
  readonly isPart?: boolean
}

/** In order of precedence. */
export type HardwareRefusal = 'node_unknown' | 'device_unknown' | 'not_quarantined' | JoinRefusal

type Decision = HardwareRefusal | HardwareEvent[]

const JOINS_FORGOTTEN_EVERY_MS = 10 * MINUTE_MS

/** The events that `command` causes (none when it asks for what already is), or why it is refused. */
export function decideHardware(hardware: Hardware, command: HardwareCommand): Decision {
  switch (command.kind) {
    case 'set_policy': {
      const { isRequired, nowMs: atMs } = command
      return hardware.isRequired === isRequired ? [] : [{ type: 'hardware.policy_set', isRequired, atMs }]
    }
    case 'keep_time':
      return decideTime(hardware, command.nowMs)
    case 'join': {
      const refusal = joinRefusal(hardware.joins, command)
      const { nodeId, organisationId, network, nowMs: atMs } = command
      return refusal ?? [{ type: 'hardware.joined', nodeId, organisationId, network, atMs }]
    }
    case 'claim':
      return decideClaim(hardware, command)
    case 'judge':
      return decideJudge(hardware, command)
    case 'refuse_answer': {
      const { nodeId, reason, nowMs: atMs } = command
      const record = hardware.nodes.get(nodeId)
      if (!record) return 'node_unknown'
      const notedAtMs = record.refused.get(reason)
      if (notedAtMs !== undefined && atMs < notedAtMs + MINUTE_MS) return []
      return [{ type: 'hardware.answer_refused', nodeId, reason, atMs }]
    }
    case 'release': {
      const { nodeId, by, nowMs: atMs } = command
      const record = hardware.nodes.get(nodeId)
      if (!record) return 'node_unknown'
      if (!record.quarantine) return 'not_quarantined'
      return [{ type: 'hardware.released', nodeId, by, atMs }]
    }
    default:
      return unreachable(command)
  }
}

function decideTime({ isRequired, requiredSinceMs, isGraceOver, joins }: Hardware, nowMs: TimestampMs) {
  const events: HardwareEvent[] = []
  if (isRequired && !isGraceOver && requiredSinceMs !== null && nowMs >= requiredSinceMs + GRACE_MS)
    events.push({ type: 'hardware.grace_over', atMs: nowMs })
  const [oldest] = joins.values()
  if (oldest && nowMs >= oldest.atMs + JOIN_WINDOW_MS + JOINS_FORGOTTEN_EVERY_MS)
    events.push({ type: 'hardware.joins_forgotten', beforeMs: nowMs - JOIN_WINDOW_MS })
  return events
}

function decideClaim(hardware: Hardware, command: ClaimCommand): HardwareEvent[] {
  const { nodeId, organisationId, nowMs: atMs } = command
  const known = hardware.nodes.get(nodeId)
  const cardIds = [...new Set(command.cardIds)].sort()
  const named = command.devices ?? devicesOf(known)
  const isOwed = ({ deviceId }: { deviceId: string }): boolean => {
    const device = known?.devices.get(deviceId)
    return device !== undefined && owesProof(device) && cardIds.includes(deviceId)
  }
  const others = devicesOf(known).filter((one) => named.every(({ deviceId }) => deviceId !== one.deviceId))
  const devices = [...named, ...others.filter(isOwed)]
  if (!known && !command.devices && cardIds.length === 0) return []
  if (known && areSame(devicesOf(known), devices) && known.cardIds.join() === cardIds.join()) return []
  const events: HardwareEvent[] = [
    { type: 'hardware.devices_claimed', nodeId, organisationId, devices, cardIds, atMs },
  ]
  const quarantined = new Set<string>()
  const quarantine = (of: { nodeId: string; organisationId: string }, cardId: string): void => {
    if (quarantined.has(of.nodeId) || hardware.nodes.get(of.nodeId)?.quarantine) return
    quarantined.add(of.nodeId)
    const detail = 'Two owners say that the same card is theirs.'
    const about = { nodeId: of.nodeId, organisationId: of.organisationId, deviceId: cardId, detail, atMs }
    events.push({ type: 'hardware.quarantined', reason: 'device_shared', ...about })
  }
  for (const cardId of cardIds.filter(isOfOneCard)) {
    const claimants = [...(hardware.cards.get(cardId) ?? [])].filter(([, owner]) => owner !== organisationId)
    for (const [otherId, owner] of claimants) quarantine({ nodeId: otherId, organisationId: owner }, cardId)
    if (claimants.length > 0) quarantine({ nodeId, organisationId }, cardId)
  }
  return events
}

const devicesOf = (record: ProofRecord | undefined): readonly { deviceId: string; deviceClass: string }[] =>
  [...(record?.devices ?? [])].map(([deviceId, { deviceClass }]) => ({ deviceId, deviceClass }))

const areSame = (
  a: readonly { deviceId: string; deviceClass: string }[],
  b: readonly { deviceId: string; deviceClass: string }[],
): boolean =>
  a.length === b.length &&
  a.every(
    ({ deviceId, deviceClass }, at) => deviceId === b[at]?.deviceId && deviceClass === b[at]?.deviceClass,
  )

function decideJudge(hardware: Hardware, command: JudgeCommand): Decision {
  const { nodeId, deviceId, why, outcome, nowMs: atMs } = command
  const record = hardware.nodes.get(nodeId)
  if (!record) return 'node_unknown'
  const device = record.devices.get(deviceId)
  if (!device) return 'device_unknown'
  const { deviceClass } = device
  const about = { nodeId, deviceId, deviceClass, why }
  const found = 'fault' in outcome ? outcome : wrongTime(hardware, deviceClass, outcome)
  if (!found) {
    const { computeMs, rows } = outcome as GoodAnswer
    const timesClass = timesClassOf(deviceClass, rows)
    const told = { ...about, computeMs, ...(timesClass !== deviceClass && { timesClass }) }
    const events: HardwareEvent[] = [{ type: 'hardware.proven', ...told, atMs }]
    if (mayLeaveQuarantine(hardware, record, deviceId))
      events.push({ type: 'hardware.released', nodeId, by: 'proof', atMs })
    return events
  }
  const { fault, detail } = found
  const events: HardwareEvent[] = [{ type: 'hardware.failed', ...about, fault, detail, atMs }]
  if (!record.quarantine && isForgery(fault) && forgeriesOf(record) + 1 >= FORGERIES_MAX) {
    const { organisationId } = record
    const text = `${FORGERIES_MAX} false answers in a row, the last one: ${detail}`
    const told = { nodeId, organisationId, deviceId, detail: text, atMs }
    events.push({ type: 'hardware.quarantined', reason: 'proof_forged', ...told })
  }
  return events
}

/** That no proof of the same device made good since, whatever the node calls its devices now. */
const forgeriesOf = ({ devices, pastForgeries }: ProofRecord): number =>
  [...devices.values()].reduce((sum, { forgeries }) => sum + forgeries, pastForgeries)

/** A card that is asked for less is quicker: its time is held against that of as many rows. */
const timesClassOf = (deviceClass: string, rows: number | undefined): string =>
  rows === undefined || isProcessor(deviceClass) ? deviceClass : `${deviceClass}, ${rows} rows`

function wrongTime(
  { classes }: Hardware,
  deviceClass: string,
  { computeMs, products, rows, isPart = false }: GoodAnswer,
): { fault: ProofFault; detail: string } | null {
  const times = classes.get(timesClassOf(deviceClass, rows))
  const { fastMs, slowMs } = timeBounds(times, { deviceClass, products, isPart })
  const took = `It took ${formatDuration(computeMs)}`
  if (computeMs < fastMs)
    return {
      fault: 'too_fast',
      detail: `${took}; nothing of its class takes less than ${formatDuration(fastMs)}.`,
    }
  if (slowMs !== null && computeMs > slowMs)
    return {
      fault: 'too_slow',
      detail: `${took}; what is of its class takes ${formatDuration(slowMs)} at most.`,
    }
  return null
}

/** Nobody else claims what it was about any more, and with this proof all of it is proven again. */
function mayLeaveQuarantine({ cards }: Hardware, record: ProofRecord, provenId: string): boolean {
  const { quarantine, organisationId, cardIds } = record
  if (quarantine?.reason !== 'device_shared') return false
  const isShared = cardIds
    .filter(isOfOneCard)
    .some((cardId) => [...(cards.get(cardId)?.values() ?? [])].some((owner) => owner !== organisationId))
  const isWhole = [...record.devices].every(([deviceId, { isProven }]) => isProven || deviceId === provenId)
  return !isShared && isWhole
}

/** What keeps this node from work for the sake of its hardware; `null` when nothing does. */
export type HardwareBar = 'unproven' | 'quarantined' | null
export function hardwareBar(
  hardware: Hardware,
  node: { readonly id: string; readonly enrolledAtMs: TimestampMs },
): HardwareBar {
  const { isRequired, requiredSinceMs, isGraceOver, nodes } = hardware
  if (!isRequired) return null
  const record = nodes.get(node.id)
  if (record?.quarantine) return 'quarantined'
  if (isProven(record)) return null
  const wasHere = requiredSinceMs !== null && node.enrolledAtMs < requiredSinceMs && !isGraceOver
  const hasFailed = [...(record?.devices.values() ?? [])].some(({ failure }) => failure !== null)
  return wasHere && !hasFailed ? null : 'unproven'
}

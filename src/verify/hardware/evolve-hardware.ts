import { assert, unreachable } from '#kernel/assert.ts'
import { addSample } from './class-times.ts'
import {
  type DeviceRecord,
  DOUBTS_MAX,
  type Hardware,
  isForgery,
  isProven,
  type ProofRecord,
} from './hardware.ts'
import type { HardwareEvent } from './hardware-events.ts'

/** Applies an event that `decideHardware` returned for this same state. The only writer of the state. */
export function evolveHardware(hardware: Hardware, event: HardwareEvent): void {
  switch (event.type) {
    case 'hardware.policy_set':
      hardware.isRequired = event.isRequired
      if (event.isRequired) hardware.requiredSinceMs ??= event.atMs
      break
    case 'hardware.grace_over':
      hardware.isGraceOver = true
      break
    case 'hardware.joined': {
      const { nodeId, organisationId, network, atMs } = event
      hardware.joins.set(nodeId, { organisationId, network, atMs })
      break
    }
    case 'hardware.joins_forgotten':
      for (const [nodeId, { atMs }] of hardware.joins)
        if (atMs < event.beforeMs) hardware.joins.delete(nodeId)
      break
    case 'hardware.devices_claimed':
      evolveClaimed(hardware, event)
      break
    case 'hardware.proven':
      evolveProven(hardware, event)
      break
    case 'hardware.failed':
      evolveFailed(hardware, event)
      break
    case 'hardware.answer_refused':
      hardware.nodes.get(event.nodeId)?.refused.set(event.reason, event.atMs)
      break
    case 'hardware.quarantined': {
      const { reason, deviceId, detail, atMs } = event
      recordAt(hardware, event).quarantine = { reason, deviceId, detail, atMs }
      break
    }
    case 'hardware.released': {
      const record = hardware.nodes.get(event.nodeId)
      assert(record, `${event.nodeId} was quarantined, for decide checked it`)
      record.quarantine = null
      record.pastForgeries = 0
      for (const device of record.devices.values()) device.forgeries = 0
      break
    }
    default:
      unreachable(event)
  }
}

function recordAt(hardware: Hardware, of: { nodeId: string; organisationId: string }): ProofRecord {
  const known = hardware.nodes.get(of.nodeId)
  if (known) return known
  const made: ProofRecord = {
    organisationId: of.organisationId,
    devices: new Map(),
    cardIds: [],
    firstProvenAtMs: null,
    quarantine: null,
    pastForgeries: 0,
    refused: new Map(),
  }
  hardware.nodes.set(of.nodeId, made)
  return made
}

function evolveClaimed(
  hardware: Hardware,
  event: HardwareEvent & { type: 'hardware.devices_claimed' },
): void {
  const { nodeId, organisationId, devices, cardIds } = event
  const record = recordAt(hardware, event)
  for (const cardId of record.cardIds) {
    const owners = hardware.cards.get(cardId)
    owners?.delete(nodeId)
    if (owners?.size === 0) hardware.cards.delete(cardId)
  }
  for (const cardId of cardIds) {
    const owners = hardware.cards.get(cardId) ?? new Map<string, string>()
    hardware.cards.set(cardId, owners.set(nodeId, organisationId))
  }
  record.cardIds = cardIds
  const before = record.devices
  record.devices = new Map(
    devices.map(({ deviceId, deviceClass }) => {
      const known = before.get(deviceId)
      return [deviceId, known?.deviceClass === deviceClass ? known : anew(known, deviceClass)]
    }),
  )
  for (const [deviceId, { forgeries }] of before)
    if (!record.devices.has(deviceId)) record.pastForgeries += forgeries
}

/** A device of another class has everything yet to prove; what it forged under another name stays. */
function anew(known: DeviceRecord | undefined, deviceClass: string): DeviceRecord {
  const device = newDevice(deviceClass)
  if (!known || known.forgeries === 0) return device
  const { failures, forgeries, failure } = known
  return { ...device, failures, forgeries, failure }
}

const newDevice = (deviceClass: string): DeviceRecord => ({
  deviceClass,
  isProven: false,
  provenAtMs: null,
  computeMs: null,
  failures: 0,
  forgeries: 0,
  failure: null,
})

function evolveProven(hardware: Hardware, event: HardwareEvent & { type: 'hardware.proven' }): void {
  const { nodeId, deviceId, timesClass = event.deviceClass, computeMs, atMs } = event
  const { record, device } = deviceOf(hardware, nodeId, deviceId)
  Object.assign(device, {
    isProven: true,
    provenAtMs: atMs,
    computeMs,
    failures: 0,
    forgeries: 0,
    failure: null,
  })
  const times = hardware.classes.get(timesClass) ?? { samples: [] }
  hardware.classes.set(timesClass, times)
  addSample(times, { organisationId: record.organisationId, computeMs })
  if (isProven(record)) record.firstProvenAtMs ??= atMs
}

function evolveFailed(hardware: Hardware, event: HardwareEvent & { type: 'hardware.failed' }): void {
  const { nodeId, deviceId, fault, detail, atMs } = event
  const { device } = deviceOf(hardware, nodeId, deviceId)
  device.failures++
  // A doubt between two forgeries makes neither good.
  if (isForgery(fault)) device.forgeries++
  device.failure = { fault, detail, atMs }
  if (isLost(device)) device.isProven = false
}

/** One forgery refutes it; of doubts it takes some in a row. */
const isLost = ({ forgeries, failures }: DeviceRecord): boolean => forgeries > 0 || failures >= DOUBTS_MAX

function deviceOf(
  hardware: Hardware,
  nodeId: string,
  deviceId: string,
): { record: ProofRecord; device: DeviceRecord } {
  const record = hardware.nodes.get(nodeId)
  const device = record?.devices.get(deviceId)
  assert(record && device, `${nodeId} claims ${deviceId}, for decide checked it`)
  return { record, device }
}

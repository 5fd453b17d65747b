/** What a node has to prove: what it says it can, held against the cards that it says it has. */
import type { Capability } from '#protocol/capability.ts'
import type { ProvableDevice } from '#protocol/hardware-proof.ts'

/** Of a node that names nothing that it can prove. */
const PROCESSOR_ALONE: ProvableDevice = { deviceId: 'cpu', kind: 'cpu', name: 'processor', memoryMib: 0 }

/**
 * A card is asked for by the name and the memory with which it is offered, and by nothing less. What is named for a card and
 * is none, a processor's proof among it, proves nothing of it: such a card has no proof. All as told while no capability is
 * known.
 */
export function claimedDevices(
  told: readonly ProvableDevice[],
  capability: Pick<Capability, 'gpus'> | null,
): readonly ProvableDevice[] {
  const devices = capability === null ? told : told.flatMap((one) => heldAgainst(one, capability))
  return devices.length > 0 ? devices : [PROCESSOR_ALONE]
}

function heldAgainst(device: ProvableDevice, { gpus }: Pick<Capability, 'gpus'>): ProvableDevice | [] {
  const card = gpus.find(({ uuid }) => uuid === device.deviceId)
  if (device.kind === 'cpu') return card ? [] : device
  return card ? { ...device, name: card.name, memoryMib: card.vramMib } : []
}

import type { NodeHardware } from '#protocol/node-hardware.ts'
import type { Hardware } from '#verify/hardware/hardware.ts'

/** What the owner of the node sees of its hardware. */
export function hardwareView({ isRequired, nodes }: Hardware, nodeId: string): NodeHardware {
  const record = nodes.get(nodeId)
  const quarantine = record?.quarantine ?? null
  return {
    isRequired,
    devices: [...(record?.devices ?? [])].map(([deviceId, { forgeries: _, ...device }]) => ({
      deviceId,
      ...device,
    })),
    unprovableCards: (record?.cardIds ?? []).filter((cardId) => !record?.devices.has(cardId)),
    quarantine: quarantine && {
      reason: quarantine.reason,
      detail: quarantine.detail,
      atMs: quarantine.atMs,
    },
    refused: [...(record?.refused ?? [])].map(([reason, atMs]) => ({ reason, atMs })),
  }
}

import type { Hardware, ProofRecord } from '#verify/hardware/hardware.ts'

/** Why the node gets no work for the sake of its hardware, for its owner: what was found, and the way back. */
export function hardwareBarMessage({ nodes }: Pick<Hardware, 'nodes'>, nodeId: string): string {
  const record = nodes.get(nodeId)
  if (!record || record.devices.size === 0)
    return 'The node has not proven its hardware: its agent gives no proofs yet. Update it to this release, and leave it connected.'
  if (record.quarantine) return quarantineMessage(record.quarantine)
  for (const [deviceId, { isProven, failure }] of record.devices)
    if (!isProven && failure) return failedMessage(deviceId, failure.detail)
  return 'The node is proving its hardware: that takes some seconds, and nobody has to do anything.'
}

const failedMessage = (deviceId: string, detail: string): string =>
  `The last proof of ${deviceId} did not hold: ${detail} It is asked again by itself, and works again once a proof holds.`

function quarantineMessage({ reason, deviceId, detail }: NonNullable<ProofRecord['quarantine']>): string {
  return reason === 'device_shared'
    ? `In quarantine: ${detail} It is ${deviceId}. It works again once the other owner's node names it no more and a proof holds, or when an operator lifts it: "shoal nodes release".`
    : `In quarantine: ${detail} An operator may lift it: "shoal nodes release".`
}

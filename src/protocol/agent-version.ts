/**
 * Which versions of the agent protocol this release speaks. Both sides say their range and take the highest that both
 * have. Fields are added within a version, and ignored by who does not know them; a new type of frame, or another meaning
 * of an old one, takes a new version, and is used only where that was agreed on.
 *
 * 1: release 0.1.   2: the network proves its key.   3: the network says which models the node is to serve.   4: tasks.
 * 5: proofs of hardware, receipts, health.
 */
import { z } from 'zod'

export const VersionRange = z.object({ min: z.int().positive(), max: z.int().positive() })
export type VersionRange = z.output<typeof VersionRange>

export const AGENT_PROTOCOL: VersionRange = { min: 1, max: 5 }
/** What a side speaks that says nothing about it. */
export const AGENT_PROTOCOL_UNSAID: VersionRange = { min: 1, max: 1 }
/** From here on `hello` asks for a proof of the network's key, and `admit` and `deny` carry it. */
export const PROTOCOL_WITH_PROOF = 2
/** From here on a gateway may send `wantedModels`, and an agent `hostedModels`. */
export const PROTOCOL_WITH_HOSTING = 3
/** From here on either side may send `work`. */
export const PROTOCOL_WITH_TASKS = 4
/** From here on either side may send `prove` and `receipts`, and an agent `health`. */
export const PROTOCOL_WITH_EVIDENCE = 5

/** Null when there is none. */
export function highestCommon(a: VersionRange, b: VersionRange): number | null {
  const highest = Math.min(a.max, b.max)
  return highest >= Math.max(a.min, b.min) ? highest : null
}

/** Why the two cannot talk, and which of them is to be upgraded. */
export function versionsApart({ network, agent }: { network: VersionRange; agent: VersionRange }): string {
  const older = agent.max < network.min ? 'agent' : 'network'
  return `This network speaks agent protocol ${rangeText(network)}, the agent ${rangeText(agent)}. Upgrade the ${older}: it is the older of the two.`
}

const rangeText = ({ min, max }: VersionRange): string => (min === max ? String(min) : `${min} to ${max}`)

/**
 * Challenges that ended with their connection. Who went away owes the answer for when he is back. Lines break and machines
 * restart, so the first time he is but asked again; who goes away again whenever he is asked is doubted like one who keeps
 * silent. A gateway that went away is no fault of its nodes. In memory alone.
 */
import type { ProofWhy } from '#verify/hardware/hardware-events.ts'
import type { OpenProof, Seat } from './proof-seats.ts'

export interface OwedProof {
  readonly deviceId: string
  readonly why: ProofWhy
  /** Ends in a row that nothing on the side of the network explains. */
  readonly times: number
  /** The newest of them is none of these. */
  readonly isExcused: boolean
}

export interface OwedProofs {
  /** This was under way when its connection ended. */
  note(nodeId: string, open: OpenProof): void
  /** What the node owes now that it is back, each end once. What it names no more is forgotten. */
  due(seat: Pick<Seat, 'nodeId' | 'devices'>): OwedProof[]
  paid(nodeId: string, deviceId: string): void
  forget(nodeId: string): void
}

interface Owed extends OwedProof {
  isDue: boolean
}

export function createOwedProofs(): OwedProofs {
  const nodes = new Map<string, Map<string, Owed>>()
  return {
    note(nodeId, { deviceId, why, isExcused }) {
      const owed = nodes.get(nodeId) ?? new Map<string, Owed>()
      nodes.set(nodeId, owed)
      const before = owed.get(deviceId)
      const times = (before?.times ?? 0) + (isExcused ? 0 : 1)
      // What was asked of all that one owner has is owed by all of it together.
      const asked = before?.why === 'owner' ? 'owner' : why
      owed.set(deviceId, { deviceId, why: asked, times, isExcused, isDue: true })
    },
    due({ nodeId, devices }) {
      const owed = nodes.get(nodeId) ?? new Map<string, Owed>()
      for (const deviceId of owed.keys()) if (!devices.has(deviceId)) owed.delete(deviceId)
      const due = [...owed.values()].filter(({ isDue }) => isDue)
      for (const one of due) one.isDue = false
      return due
    },
    paid(nodeId, deviceId) {
      const owed = nodes.get(nodeId)
      owed?.delete(deviceId)
      if (owed?.size === 0) nodes.delete(nodeId)
    },
    forget: (nodeId) => void nodes.delete(nodeId),
  }
}

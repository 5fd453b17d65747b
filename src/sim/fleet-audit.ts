/** What each node earned, added up anew from the journal's bills, against what its account holds. */
import { readRecord } from '#coordinator/coordinator-events.ts'
import { assert } from '#kernel/assert.ts'
import { NETWORK_FEES } from '#ledger/ledger.ts'
import { checkBills } from './bill-check.ts'
import type { FleetWorld } from './fleet-run.ts'
import { FEE_BPS } from './sim-world.ts'

/**
 * Throws unless every bill is right, every account of a node's owner holds what the bills of that node come to and not a
 * nano-dollar else, and the network has all the fees. Returns how many bills there are.
 */
export function auditFleet({ world, fleet, incomeOf }: FleetWorld): number {
  const earned = new Map<string, bigint>()
  let fees = 0n
  let bills = 0
  for (const entry of world.coordinatorDisk.durable('journal')) {
    const { events } = readRecord(entry.payload)
    checkBills(events, BigInt(FEE_BPS))
    for (const event of events) {
      if (event.type !== 'usage.recorded') continue
      bills++
      fees += event.fee
      const nodes = new Set(event.record.parts.map((part) => part.nodeId))
      assert(nodes.size <= 1 || event.cost === 0n, 'one node is paid for a request here')
      for (const nodeId of nodes) earned.set(nodeId, (earned.get(nodeId) ?? 0n) + event.cost - event.fee)
    }
  }
  for (const member of fleet) {
    const due = earned.get(member.slot.nodeId) ?? 0n
    const held = incomeOf(member)
    assert(held === due, `${member.slot.nodeId} earned ${due} by its bills, and its account holds ${held}`)
  }
  const held = world.coordinator?.state.ledger.accounts.get(NETWORK_FEES)?.available
  assert(held === fees, `the bills have fees of ${fees}, the network holds ${held}`)
  return bills
}

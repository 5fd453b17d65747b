import type { MoneyGateway } from './money-gateway.ts'
import type { MoneyNode } from './money-node.ts'
import type { MoneyFault } from './money-plan.ts'
import type { Scheduler } from './scheduler.ts'

export interface MoneyFaultParts {
  readonly scheduler: Scheduler
  /** A liar and its twin; what stands alone is alone. */
  readonly groups: readonly (readonly MoneyNode[])[]
  readonly gateways: readonly MoneyGateway[]
  readonly onKill: (node: MoneyNode) => void
}

/** All of them happen, each at its time, and each comes to its end. */
export function scheduleFaults(parts: MoneyFaultParts, faults: readonly MoneyFault[]): void {
  for (const fault of faults) parts.scheduler.after(fault.atMs, () => begin(parts, fault))
}

function begin(parts: MoneyFaultParts, fault: MoneyFault): void {
  const { scheduler, groups, gateways } = parts
  const { kind, lastsMs, index } = fault
  if (kind === 'kill_gateway') {
    const gateway = gateways[index]
    if (!gateway?.isUp) return
    gateway.kill()
    scheduler.after(lastsMs, () => gateway.start())
    return
  }
  for (const node of groups[index] ?? []) {
    const end = beginAt(parts, node, fault)
    if (end) scheduler.after(lastsMs, end)
  }
}

/** Answers how it ends. */
function beginAt({ onKill }: MoneyFaultParts, node: MoneyNode, { kind, lastsMs }: MoneyFault) {
  if (!node.isUp) return null
  const { lives } = node
  switch (kind) {
    case 'kill':
      onKill(node)
      node.kill()
      return () => node.start()
    case 'freeze':
      node.freeze()
      return () => node.thaw()
    case 'park':
      node.park(lastsMs % 2 === 0 ? 'finish' : 'give_back')
      // A new life knows nothing of it.
      return () => (node.lives === lives ? node.unpark() : undefined)
    default:
      node.cut(lastsMs)
      return null
  }
}

/**
 * What keeps a node from work, of all that may: one place, so that gateways, the floor of tasks and the placing of models
 * agree. A barred node keeps its connection; what it runs already may end.
 */
import { sicknessText } from '#fleet/reputation/reasons.ts'
import type { TimestampMs } from '#kernel/time.ts'
import type { Bar } from '#protocol/cell.ts'
import { hardwareBar } from '#verify/hardware/decide-hardware.ts'
import { suspensionOf } from './answers/suspension.ts'
import type { CoordinatorEvent } from './coordinator-events.ts'
import type { CoordinatorState } from './coordinator-state.ts'
import { hardwareBarMessage } from './hardware/bar-message.ts'

/**
 * The gravest bar of the node; `null` when it may work. Whatever lifts or sets a bar must be an event that `barTouched`
 * knows: gateways and the floor are told of changes alone.
 */
export function barOf(state: CoordinatorState, nodeId: string, _nowMs: TimestampMs): Bar | null {
  const node = state.fleet.nodes.get(nodeId)
  if (!node) return null
  const hardware = hardwareBar(state.hardware, node)
  if (hardware) return { code: hardware, message: hardwareBarMessage(state.hardware, nodeId) }
  const suspension = suspensionOf(state.verify.answers, nodeId)
  if (suspension) return suspension
  const sick = state.reputation.nodes.get(nodeId)?.sick
  if (sick) return { code: 'sick', message: sicknessText(sick) }
  return null
}

/** The node whose bar `event` may have changed; `all` where that is every node. */
export function barTouched(event: CoordinatorEvent): string | 'all' | null {
  switch (event.type) {
    case 'hardware.devices_claimed':
    case 'hardware.proven':
    case 'hardware.failed':
    case 'hardware.quarantined':
    case 'hardware.released':
      return event.nodeId
    case 'reputation.node_sick':
    case 'reputation.node_well':
      return event.nodeId
    case 'verify.node_judged':
    case 'verify.suspension_ended':
    case 'verify.case_lifted':
      return event.nodeId
    case 'hardware.policy_set':
    case 'hardware.grace_over':
      return 'all'
    default:
      return null
  }
}

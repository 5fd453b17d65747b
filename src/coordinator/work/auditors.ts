/** Who could look at a result: nodes of other owners that are there, and such as may be in a moment. */
import type { Node } from '#fleet/fleet.ts'
import { MINUTE_MS, type TimestampMs } from '#kernel/time.ts'
import { isClassEnough } from '#protocol/node-class.ts'
import { hardwareBar } from '#verify/hardware/decide-hardware.ts'
import type { FloorNode } from '#work/floor.ts'
import { barOf } from '#work/placement.ts'
import { type Job, stepOf } from '#work/work.ts'
import type { Turn } from '../turn.ts'
import type { WorkDesk } from './work-desk.ts'

/** For so long a node that was lost is waited for, and after a start all of them: it may be on its way back. */
export const RETURN_MS = 1 * MINUTE_MS

/** The operator's own agent has so long to begin once it was called: at the lowest priority, on a machine that is busy rendering. */
const ARRIVAL_MS = 5 * MINUTE_MS

export interface AuditorsAround {
  readonly desk: Pick<WorkDesk, 'floor' | 'limits'>
  /** Since when nodes could have come back after a start. */
  readonly openedAtMs: TimestampMs
  /** Since when the operator's own agent is on its way; `null` while it is not called, or cannot begin. */
  readonly calledAtMs: TimestampMs | null
}

/** Whether a node could render the audit's job, now. */
export function isAnybodyThere({ nowMs }: Turn, job: Job, { desk }: AuditorsAround): boolean {
  const { floor, limits } = desk
  const step = stepOf(job, 0)
  for (const node of floor.nodes()) {
    if (barOf(node, { job, step, nowMs, limits }) !== null || isResting(node, nowMs)) continue
    if (floor.isAlive(node.facts.nodeId, nowMs)) return true
  }
  return false
}

/** Whether a node that could was there a moment ago, or has come and not yet said what it can do. */
export function mayAnybodyCome({ state, nowMs }: Turn, job: Job, around: AuditorsAround): boolean {
  const { floor, limits } = around.desk
  const step = stepOf(job, 0)
  const isStarted = nowMs - around.openedAtMs >= RETURN_MS
  for (const node of state.fleet.nodes.values()) {
    const { id, organisationId, nodeClass, bannedReason, presence, presenceSinceMs } = node
    if (bannedReason !== null || step.notOfOrganisations?.includes(organisationId)) continue
    if (!isClassEnough(nodeClass, job.minClass ?? 'community')) continue
    const seated = floor.node(id)
    if (nowMs - presenceSinceMs < RETURN_MS && isYetToBegin(state, node, seated)) return true
    if (seated) {
      if (barOf(seated, { job, step, nowMs, limits }) === null && !isResting(seated, nowMs)) return true
    } else if (!isStarted && presence !== 'absent') return true
  }
  return false
}

/** Whether the operator's own agent was called, may look at this, and has not begun though it still has time to. */
export function isReferenceComing(
  { state, nowMs }: Turn,
  job: Job,
  { desk, calledAtMs }: AuditorsAround,
): boolean {
  if (calledAtMs === null || nowMs - calledAtMs >= ARRIVAL_MS) return false
  const { referenceId } = state.verify
  if (referenceId !== null && stepOf(job, 0).notOfOrganisations?.includes(referenceId)) return false
  for (const node of state.fleet.nodes.values()) {
    if (node.organisationId !== referenceId || node.presence !== 'online') continue
    const seated = desk.floor.node(node.id)
    // It has begun: what holds of all others holds of it.
    if (!isYetToBegin(state, node, seated)) return false
    // It says nothing of tasks: there is no Blender where it runs.
    if (!seated && nowMs - node.presenceSinceMs >= RETURN_MS) return false
  }
  return true
}

/** It has not said what it can do, or not proven its hardware, without which it is given nothing. */
const isYetToBegin = ({ hardware }: Turn['state'], node: Node, seated: FloorNode | undefined): boolean =>
  !seated ||
  seated.facts.kinds.length === 0 ||
  (!node.isDrained && seated.facts.isDrained === true && hardwareBar(hardware, node) === 'unproven')

/** Its owner wants it, and has for longer than one waits for a node that is lost. */
const isResting = ({ restingSinceMs }: FloorNode, nowMs: TimestampMs): boolean =>
  restingSinceMs !== null && nowMs - restingSinceMs >= RETURN_MS

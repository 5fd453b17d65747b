/** Who could look at a result: nodes of other owners that are there, and such as may be in a moment. */
import { MINUTE_MS, type TimestampMs } from '#kernel/time.ts'
import { isClassEnough } from '#protocol/node-class.ts'
import type { FloorNode } from '#work/floor.ts'
import { barOf } from '#work/placement.ts'
import { type Job, stepOf } from '#work/work.ts'
import type { Turn } from '../turn.ts'
import type { WorkDesk } from './work-desk.ts'

/** For so long a node that was lost is waited for, and after a start all of them: it may be on its way back. */
export const RETURN_MS = 1 * MINUTE_MS

export interface AuditorsAround {
  readonly desk: Pick<WorkDesk, 'floor' | 'limits'>
  /** Since when nodes could have come back after a start. */
  readonly openedAtMs: TimestampMs
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
    if (seated) {
      if (barOf(seated, { job, step, nowMs, limits }) === null && !isResting(seated, nowMs)) return true
    } else if (nowMs - presenceSinceMs < RETURN_MS || (!isStarted && presence !== 'absent')) return true
  }
  return false
}

/** Its owner wants it, and has for longer than one waits for a node that is lost. */
const isResting = ({ restingSinceMs }: FloorNode, nowMs: TimestampMs): boolean =>
  restingSinceMs !== null && nowMs - restingSinceMs >= RETURN_MS

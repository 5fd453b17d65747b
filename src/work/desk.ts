/** How decisions about work are carried out, one after the other, within a turn of whoever keeps the journal. */
import type { TimestampMs } from '#kernel/time.ts'
import { lateAttempts } from './attempt-time.ts'
import { type Around, decideWork, type WorkCommand, type WorkRefusal } from './decide-work.ts'
import { hasRoom } from './grant.ts'
import { scoreOf } from './placement.ts'
import { type Job, jobOf } from './work.ts'
import type { WorkEvent } from './work-events.ts'

export interface Desk extends Around {
  /** Takes effect in memory at once, and is durable with the turn. */
  apply(event: WorkEvent): void
}

/** Carries `command` out; answers why not where it is refused, and then nothing has changed. */
export function carryOut(desk: Desk, command: WorkCommand): WorkRefusal | null {
  const decision = decideWork(command, desk)
  if (!Array.isArray(decision)) return decision
  enact(desk, decision)
  return null
}

/** Applies what was just decided. */
export function enact(desk: Desk, decision: readonly WorkEvent[]): void {
  for (const event of decision) {
    desk.apply(event)
    if (event.type === 'work.attempt_ended' || event.type === 'work.delivered') desk.floor.forget(event.fence)
    if (event.type === 'work.tasks_forgotten') desk.floor.forgetTo(event.jobId, event.to)
    if (event.type === 'work.job_forgotten') desk.floor.forgetTo(event.jobId, null)
  }
}

/** Gives the node what there is for it; if that is less than it has room for, it waits. Answers whether it was given something. */
export function serveNode(desk: Desk, nodeId: string, nowMs: TimestampMs): boolean {
  const { work, floor, limits } = desk
  if (!floor.isAlive(nodeId, nowMs) || floor.isResting(nodeId, nowMs)) return false
  const fenceBefore = work.fence
  for (let grants = 0; grants < limits.heldMax; grants++) {
    const before = work.fence
    carryOut(desk, { kind: 'pull', nodeId, nowMs })
    if (work.fence === before) break
  }
  if (hasRoom(desk, nodeId)) floor.wait(nodeId)
  else floor.serve(nodeId)
  return work.fence !== fenceBefore
}

/** To be done a few times a second: what ended without anybody's saying so ends, and what is there is given. */
export function reviewWork(desk: Desk, nowMs: TimestampMs): void {
  desk.floor.sweep(nowMs)
  carryOut(desk, { kind: 'review', nowMs })
  // One after the other: the first of a job may pause it, and end others of it.
  for (const { fence } of lateAttempts(desk, nowMs)) carryOut(desk, { kind: 'give_up', fence, nowMs })
  serveWaiting(desk, nowMs)
}

/** Nodes that are asked, while nothing is ready, whether to take over or to race what others have. */
const IDLE_ASKED_MAX = 32

/** Gives what is there to nodes that wait: to those without anything first, of those to the one that it suits best. */
export function serveWaiting(desk: Desk, nowMs: TimestampMs): void {
  const { work, floor } = desk
  if (floor.waitingCount === 0 || work.active.length === 0) return
  let asked = 0
  for (const nodeId of inOrder(desk, nowMs)) {
    if (!hasReady(desk) && asked++ === IDLE_ASKED_MAX) return
    serveNode(desk, nodeId, nowMs)
  }
}

/** Whether anything could be given, to whomever it suits. */
export const hasReady = ({ work }: Pick<Desk, 'work'>): boolean =>
  work.active.some((jobId) => isReady(jobOf(work, jobId)))

const isReady = ({ tasksReady, steps }: Job): boolean =>
  tasksReady > 0 || steps.some(({ wanted }) => wanted.length > 0)

function inOrder({ work, floor }: Desk, nowMs: TimestampMs): string[] {
  const jobs = work.active.map((jobId) => jobOf(work, jobId))
  const job = jobs.find(isReady) ?? jobs[0]
  const step = job?.steps.find(({ ready, wanted }) => ready.length + wanted.length > 0) ?? job?.steps[0]
  const rated = floor.waiting().flatMap((nodeId) => {
    const node = floor.node(nodeId)
    if (!node || !job || !step) return []
    const record = work.nodes.get(nodeId)
    const score = scoreOf(node, { job, step, record, nowMs })
    return [{ nodeId, held: record?.held.length ?? 0, score }]
  })
  rated.sort((a, b) => a.held - b.held || b.score - a.score || (a.nodeId < b.nodeId ? -1 : 1))
  return rated.map(({ nodeId }) => nodeId)
}

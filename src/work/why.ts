import type { TimestampMs } from '#kernel/time.ts'
import type { Around } from './decide-work.ts'
import type { FloorNode } from './floor.ts'
import { fitsCap } from './grant.ts'
import { type Bar, barOf } from './placement.ts'
import { type Job, stepOf, type TaskState, taskOf } from './work.ts'
import type { TaskPlace } from './work-events.ts'

/** What keeps a node from a task beside what bars it from the step. */
type OfNow = 'failed_it' | 'silent' | 'resting'

export interface TaskWhy {
  readonly state: TaskState
  /** What the job itself waits for. */
  readonly job: 'paused' | 'over' | 'cap_reached' | null
  /** How many nodes may not have it, by the first reason of each. */
  readonly barred: Readonly<Partial<Record<Bar | OfNow, number>>>
  /** Nodes that may have it, and of those the ones that are busy with other tasks. */
  readonly open: number
  readonly busy: number
  /** Who has it. */
  readonly nodeIds: readonly string[]
}

/** For a moment a node rests also with its hands full. */
function barOfNow(
  { floor, limits }: Pick<Around, 'floor' | 'limits'>,
  { facts, restingSinceMs }: FloorNode,
  nowMs: TimestampMs,
): OfNow | null {
  if (!floor.isAlive(facts.nodeId, nowMs)) return 'silent'
  return restingSinceMs !== null && nowMs - restingSinceMs >= limits.silentMs ? 'resting' : null
}

/** Why a task is where it is, and what keeps nodes from it. */
export function whyTask(
  { work, floor, limits }: Around,
  job: Job,
  { step: ofStep, task: ofTask, nowMs }: TaskPlace & { nowMs: TimestampMs },
): TaskWhy {
  const step = stepOf(job, ofStep)
  const task = taskOf(job, { step: ofStep, task: ofTask })
  const barred: Partial<Record<Bar | OfNow, number>> = {}
  let [open, busy] = [0, 0]
  for (const node of floor.nodes()) {
    const { nodeId } = node.facts
    const bar =
      barOf(node, { job, step, nowMs, limits }) ??
      (task.failedNodes.includes(nodeId) ? 'failed_it' : barOfNow({ floor, limits }, node, nowMs))
    if (bar !== null) {
      barred[bar] = (barred[bar] ?? 0) + 1
      continue
    }
    open++
    if ((work.nodes.get(nodeId)?.held.length ?? 0) > 0) busy++
  }
  const { status } = job
  const waits = task.state === 'ready' && !fitsCap(job, task) ? 'cap_reached' : null
  return {
    state: task.state,
    job: status === 'active' ? waits : status === 'paused' ? 'paused' : 'over',
    barred,
    open,
    busy,
    nodeIds: task.fences.flatMap((fence) => work.attempts.get(fence)?.nodeId ?? []),
  }
}

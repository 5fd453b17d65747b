/** How many tasks of a step are in which state, and how much work that is: kept, so that nobody counts 100,000 tasks to tell. */
import type { NodeHours, Step, Task, TaskState } from './work.ts'

export const taskStates: readonly TaskState[] = [
  'blocked',
  'ready',
  'leased',
  'committed',
  'verifying',
  'done',
  'failed',
  'cancelled',
]

const none = (): Record<TaskState, number> => ({
  blocked: 0,
  ready: 0,
  leased: 0,
  committed: 0,
  verifying: 0,
  done: 0,
  failed: 0,
  cancelled: 0,
})

/** The counts of a step of which nothing has begun. */
export function unbegunCounts(
  tasks: readonly { readonly referenceMs: number }[],
): Pick<Step, 'counts' | 'workMs'> {
  const blockedMs = tasks.reduce((sum, { referenceMs }) => sum + referenceMs, 0)
  return { counts: { ...none(), blocked: tasks.length }, workMs: { ...none(), blocked: blockedMs } }
}

/** The only way in which a task's state changes. */
export function setState(step: Step, task: Task, state: TaskState): void {
  step.counts[task.state]--
  step.workMs[task.state] -= task.referenceMs
  step.counts[state]++
  step.workMs[state] += task.referenceMs
  task.state = state
}

/** The node's time with the job, begun where it had none. */
export function hoursOf(
  { nodes }: { readonly nodes: Map<string, NodeHours> },
  nodeId: string,
  atMs: number,
): NodeHours {
  const found = nodes.get(nodeId)
  if (found) return found
  const begun: NodeHours = { sinceMs: atMs, untilMs: atMs, usefulMs: 0 }
  nodes.set(nodeId, begun)
  return begun
}

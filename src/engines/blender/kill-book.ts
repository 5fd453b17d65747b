/**
 * How often the system ended Blender in the middle of a task. Once is nobody's fault. Time and again is what a machine does
 * whose memory is short: then it is this node's, so that the task goes to another and does not come back for ever.
 */
import { Problem } from '#protocol/problem.ts'
import { failureProblem } from '#protocol/task-failure.ts'

export interface KillBook {
  /** The failure of a task, as it is told. */
  judge(task: string, error: unknown): unknown
}

export const KILLS_MAX = 3
/** Of those that were ended last. */
const TASKS_MAX = 256

export function createKillBook(): KillBook {
  const counts = new Map<string, number>()
  return {
    judge(task, error) {
      if (!(error instanceof Problem) || !isKill(error)) return error
      const count = (counts.get(task) ?? 0) + 1
      counts.delete(task)
      const [oldest] = counts.keys()
      if (counts.size >= TASKS_MAX && oldest !== undefined) counts.delete(oldest)
      counts.set(task, count)
      if (count < KILLS_MAX) return error
      const { tail } = error.details
      const message = `${error.message} That came ${count} times here, as it does where memory is short.`
      return failureProblem('node', 'engine_failed', message, {
        ...(typeof tail === 'string' && { tail }),
        cause: error,
      })
    },
  }
}

const isKill = ({ code, details }: Problem): boolean =>
  code === 'node_failed' && details['failureClass'] === 'infrastructure'

/** How a task is called before people. */
import { type Job, stepOf, taskOf } from './work.ts'
import type { TaskPlace } from './work-events.ts'

/** `frame 12` where the task has one, else `task 3 of film`. */
export function nameTask(job: Job, place: TaskPlace): string {
  const { frame } = taskOf(job, place).params
  const isOnly = stepOf(job, place.step).tasks.length === 1
  if (typeof frame === 'number') return `frame ${frame}`
  const step = stepOf(job, place.step).name
  return isOnly ? step : `task ${place.task} of ${step}`
}

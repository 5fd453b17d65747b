/** How a task is called before people. */
import { type Job, stepOf, taskOf } from './work.ts'
import type { TaskPlace } from './work-events.ts'

/** `frame 12` where the task has one, `part 3 of frame 12` where it is a part of its samples, else `task 3 of film`. */
export function nameTask(job: Job, place: TaskPlace): string {
  const { frame, do: does } = taskOf(job, place).params
  const { tasks } = stepOf(job, place.step)
  const isOnly = tasks.length === 1
  if (does === 'range' && typeof frame === 'number') {
    const before = tasks.slice(0, place.task).filter(({ params }) => params['frame'] === frame)
    return `part ${before.length + 1} of frame ${frame}`
  }
  if (typeof frame === 'number') return `frame ${frame}`
  const step = stepOf(job, place.step).name
  return isOnly ? step : `task ${place.task} of ${step}`
}

import { nameTask } from '#work/task-name.ts'
import { type Job, stepOf, taskOf } from '#work/work.ts'
import type { TaskPlace } from '#work/work-events.ts'

/** What a payment is for, so that whoever reads a bill knows it: `castle.blend · frames, frame 17 · job_…`. */
export function taskMemo(job: Job, place: TaskPlace): string {
  return `${job.name} · ${stepOf(job, place.step).name}, ${partOf(job, place)} · ${job.jobId}`
}

export const refundMemo = (job: Job, place: TaskPlace): string => `Refund: ${taskMemo(job, place)}`

function partOf(job: Job, place: TaskPlace): string {
  const { frame } = taskOf(job, place).params
  if (typeof frame === 'number') return nameTask(job, place)
  return `task ${place.task + 1} of ${stepOf(job, place.step).tasks.length}`
}

/** Pages of a job's tasks, in the order of its plan. */
import { PAGE_LIMIT_DEFAULT, type PageQuery } from '#protocol/page.ts'
import { Problem } from '#protocol/problem.ts'
import type { Job, TaskState } from '#work/work.ts'
import type { TaskPlace } from '#work/work-events.ts'

export interface TaskFilter {
  readonly step?: number | undefined
  readonly state?: TaskState | undefined
}

/** A page of those that match. Throws `invalid_request` for a `before` that no page gave. */
export function pageOfTasks(
  { steps }: Pick<Job, 'steps'>,
  query: PageQuery & TaskFilter,
): { places: TaskPlace[]; next: string | null } {
  const limit = query.limit ?? PAGE_LIMIT_DEFAULT
  const begin = query.before === undefined ? { step: 0, task: 0 } : after(query.before)
  const places: TaskPlace[] = []
  for (const [step, { tasks, counts }] of steps.entries()) {
    if (step < begin.step || (query.step !== undefined && step !== query.step)) continue
    if (query.state !== undefined && counts[query.state] === 0) continue
    for (let task = step === begin.step ? begin.task : 0; task < tasks.length; task++) {
      if (query.state !== undefined && tasks[task]?.state !== query.state) continue
      const last = places.at(-1)
      if (last && places.length === limit) return { places, next: `${last.step}.${last.task}` }
      places.push({ step, task })
    }
  }
  return { places, next: null }
}

function after(cursor: string): TaskPlace {
  const match = /^(\d{1,4})\.(\d{1,7})$/.exec(cursor)
  if (match) return { step: Number(match[1]), task: Number(match[2]) + 1 }
  throw new Problem(
    'invalid_request',
    `There is no page before "${cursor}". Give the \`next\` of the page before this one, or leave \`before\` out for the first.`,
  )
}

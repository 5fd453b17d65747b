/** Jobs, as the command line asks a network for them. */

import type { z } from 'zod'
import type { Job, JobTask } from '#protocol/job.ts'
import type { jobRoutes } from '#protocol/job-routes.ts'
import type { Api } from '#protocol/route.ts'
import type { Session } from '../session.ts'

export type JobClient = Api<typeof jobRoutes>
export type JobFacts = z.output<typeof Job>
export type TaskFacts = z.output<typeof JobTask>

/** Jobs are work: they are done with the key for that. */
export const createJobClient = ({ member }: Pick<Session, 'member'>): JobClient => member

const PAGE_LIMIT = 1_000

/** All tasks of a job that are so, in pages as they come. */
export async function* eachTask(
  jobs: Pick<JobClient, 'listJobTasks'>,
  jobId: string,
  filter: { readonly step?: number; readonly state?: TaskFacts['state'] } = {},
): AsyncGenerator<TaskFacts> {
  for (let before: string | null | undefined; before !== null; ) {
    const query = { ...filter, limit: PAGE_LIMIT, ...(before !== undefined && { before }) }
    const page = await jobs.listJobTasks({ params: { jobId }, query })
    yield* page.items
    before = page.next
  }
}

export const isJobOver = ({ status }: Pick<JobFacts, 'status'>): boolean =>
  status === 'completed' || status === 'cancelled'

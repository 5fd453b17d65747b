import { jobRoutes } from '#protocol/job-routes.ts'
import { Problem } from '#protocol/problem.ts'
import type { Handlers } from '#protocol/route.ts'

/** A network that has neither quotes nor jobs. */
export function stubJobHandlers(): Handlers<typeof jobRoutes> {
  const none = (): never => {
    throw new Problem('not_found', 'There is no such job, or it is not this key’s to see.')
  }
  // One for each name of the table.
  const all = Object.fromEntries(Object.keys(jobRoutes).map((name) => [name, none]))
  return { ...(all as unknown as Handlers<typeof jobRoutes>), listJobs: () => ({ items: [], next: null }) }
}

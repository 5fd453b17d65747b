import type { Session } from '../session.ts'
import type { JobClient } from './job-client.ts'
import { patiently } from './patience.ts'

export type NewsPage = Awaited<ReturnType<JobClient['followJob']>>

/** More than the network keeps of a job. Where more comes than is read, somebody has to stop. */
const PAGES_MAX = 10

/** What is known of a job by now, the oldest first: a network gives so much at a time. One page at least, and the last is the newest. */
export async function* newsSoFar(
  session: Session,
  jobs: Pick<JobClient, 'followJob'>,
  jobId: string,
): AsyncGenerator<NewsPage> {
  let after: number | null = null
  for (let count = 0; count < PAGES_MAX; count++) {
    const query: { after?: number } = after === null ? {} : { after }
    const page: NewsPage = await patiently(session, () => jobs.followJob({ params: { jobId }, query }))
    if (count === 0 || page.items.length > 0) yield page
    if (page.items.length === 0) return
    after = page.next
  }
}

import type { Clock } from '#host/host.ts'
import type { Coordinator } from '../coordinator.ts'
import { createJobNews } from '../work/job-news.ts'
import type { WorkDesk } from '../work/work-desk.ts'
import { notFound } from './handler-parts.ts'
import type { JobParts } from './job-parts.ts'

export interface OpenJobsParts {
  readonly coordinator: Pick<Coordinator, 'nowMs'>
  readonly desk: WorkDesk
  readonly clock: Pick<Clock, 'after'>
  /** Quotes that jobs are made of; none unless given. */
  readonly quotes?: JobParts['quotes']
  /** Who looks at results; nobody unless given. */
  readonly inspection?: Pick<JobParts, 'reject' | 'unverifiedOf'>
}

/** What the API of jobs works with, for a coordinator that begins to lead. To be closed when it stops. */
export function openJobs(parts: OpenJobsParts): JobParts {
  const { coordinator, desk, clock, quotes = noQuotes, inspection = nobody } = parts
  const news = createJobNews(clock, coordinator.nowMs())
  desk.onEvent(({ state }, event, attempt) => news.hear(state.work, event, attempt))
  return { desk, news, quotes, reject: inspection.reject, unverifiedOf: inspection.unverifiedOf }
}

const noQuotes: JobParts['quotes'] = {
  plan({ body }) {
    throw notFound('quote', body.quoteId)
  },
}

const nobody: Pick<JobParts, 'reject' | 'unverifiedOf'> = {
  reject: () => 'not_comparable',
  unverifiedOf: () => 0,
}

import type { Clock } from '#host/host.ts'
import type { VerifyEvent } from '#verify/verify-events.ts'
import type { Coordinator } from '../coordinator.ts'
import type { CoordinatorEvent } from '../coordinator-events.ts'
import { createJobNews } from '../work/job-news.ts'
import type { QuoteDesk } from '../work/quotes.ts'
import { createCheckNews } from '../work/verify-news.ts'
import type { WorkDesk } from '../work/work-desk.ts'
import { notFound } from './handler-parts.ts'
import type { JobParts } from './job-parts.ts'

export interface OpenJobsParts {
  readonly coordinator: Pick<Coordinator, 'nowMs' | 'onEvent' | 'state'>
  readonly desk: WorkDesk
  readonly clock: Pick<Clock, 'after'>
  /** Quotes that jobs are made of; those of the desk, or none, unless given. */
  readonly quotes?: JobParts['quotes']
  readonly quoteDesk?: QuoteDesk
  /** Who looks at results; nobody unless given. */
  readonly inspection?: Pick<JobParts, 'reject' | 'unverifiedOf'>
}

/** What the API of jobs works with, for a coordinator that begins to lead. To be closed when it stops. */
export function openJobs(parts: OpenJobsParts): JobParts {
  const { coordinator, desk, clock, quoteDesk, inspection = nobody } = parts
  const { quotes = quoteDesk ?? noQuotes } = parts
  const news = createJobNews(clock, coordinator.nowMs())
  desk.onEvent(({ state }, event, attempt) => news.hear(state.work, event, attempt))
  const checkNews = createCheckNews(coordinator.state)
  coordinator.onEvent((event) => {
    const told = isOfChecks(event) ? checkNews(event) : null
    if (told) news.tell(told.jobId, told)
  })
  return {
    desk,
    news,
    quotes,
    ...(quoteDesk && { quoteDesk }),
    reject: inspection.reject,
    unverifiedOf: inspection.unverifiedOf,
  }
}

const isOfChecks = (event: CoordinatorEvent): event is VerifyEvent => event.type.startsWith('verify.')

const noQuotes: JobParts['quotes'] = {
  plan({ body }) {
    throw notFound('quote', body.quoteId)
  },
}

const nobody: Pick<JobParts, 'reject' | 'unverifiedOf'> = {
  reject: () => 'not_comparable',
  unverifiedOf: () => 0,
}

import type { NanoUsd } from '#kernel/money.ts'
import { parseUsd } from '#kernel/money.ts'
import { Problem } from '#protocol/problem.ts'
import { budgetWarning, type QuoteFacts, quoteFields } from '../render/quote-view.ts'
import { withList } from '../repeat.ts'
import { type Session, showFields } from '../session.ts'
import type { JobClient, JobFacts } from './job-client.ts'
import { patiently } from './patience.ts'

export interface Beginning {
  readonly quote: QuoteFacts
  /** The same quote anew, for a network that started anew since: it keeps none, and need not measure again. */
  readonly renew: () => Promise<QuoteFacts>
  /** What is to be done, in a few words. */
  readonly what: string
  /** `null`: what the quote says. */
  readonly cap: NanoUsd | null
  readonly isAsked: boolean
  readonly priority: number
}

/** Shows the quote, asks, and makes the job, once, even where an answer is lost; `null` after a no. */
export async function beginJob(
  { session, jobs }: { readonly session: Session; readonly jobs: Pick<JobClient, 'createJob'> },
  { quote, renew, what, cap, isAsked, priority }: Beginning,
): Promise<JobFacts | null> {
  const { context, style } = session
  const warning = budgetWarning(quote, cap)
  context.stderr.write(`${showFields(session, quoteFields(quote, what, cap))}\n`)
  if (warning !== null) context.stderr.write(`${style('warning', 'warning:')} ${warning}\n`)
  if (isAsked) {
    const answer = await context.stdin.question('Begin? [Y/n] ')
    if (answer === null || !/^\s*(y|yes)?\s*$/i.test(answer)) {
      context.stderr.write(`${style('dim', 'Nothing was begun, and nothing is held.')}\n`)
      return null
    }
  }
  // Harmless to repeat: one quote makes one job.
  const make = (quoteId: string, most: NanoUsd | null): Promise<JobFacts> =>
    patiently(session, () =>
      jobs.createJob({ body: { quoteId, priority, ...(most !== null && { cap: most }) } }),
    )
  try {
    return await make(quote.quoteId, cap)
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'not_found')
      throw withList(error, { what: 'job', command: 'shoal jobs' })
  }
  context.stderr.write(`${style('dim', 'The network has forgotten the quote: it is asked for again.')}\n`)
  const { quoteId } = await renew()
  try {
    // What was said yes to is the most that it costs.
    return await make(quoteId, cap ?? quote.cap)
  } catch (error) {
    throw withList(error, { what: 'job', command: 'shoal jobs' })
  }
}

/** Before anything is sent: somebody is there to say yes, or has said so. */
export function checkAnswerable({ context }: Pick<Session, 'context'>, isAsked: boolean): void {
  if (isAsked && !context.stdin.isTty)
    throw new Problem(
      'invalid_request',
      'Nobody is here to say yes to the quote. Add --yes to begin whatever it says, and --budget to limit it.',
    )
}

export function readBudget(text: string | undefined): NanoUsd | null {
  if (text === undefined) return null
  const amount = parseUsd(text)
  if (amount !== null && amount > 0n) return amount
  const what = amount === 0n ? 'A budget of 0 pays for nothing' : `'${text}' is no amount in US dollars`
  throw new Problem('invalid_request', `${what}. Give one above zero, such as --budget 2 or --budget 0.25.`)
}

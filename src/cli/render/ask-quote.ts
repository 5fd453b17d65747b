import { SECOND_MS } from '#kernel/time.ts'
import { Problem } from '#protocol/problem.ts'
import type { JobClient } from '../jobs/job-client.ts'
import type { LiveLines } from '../jobs/live-lines.ts'
import { patiently } from '../jobs/patience.ts'
import type { Session } from '../session.ts'
import { printable } from '../table.ts'
import type { QuoteFacts } from './quote-view.ts'

export interface QuoteAsked {
  readonly session: Session
  readonly jobs: Pick<JobClient, 'askQuote' | 'getQuote'>
  readonly lines: LiveLines
}

const EVERY_MS = SECOND_MS / 2
/** Of looks without a node that would take it: about ten minutes for the network to find one. */
const LOOKS_ALONE_MAX = 1_200
/** Of all looks: a probe waits behind what its node has begun, and for its inputs; about two hours. */
const LOOKS_MAX = 14_400

/** A quote that is ready. Rejects with why there is none. */
export async function askForQuote(
  { session, jobs, lines }: QuoteAsked,
  body: Parameters<JobClient['askQuote']>[0]['body'],
): Promise<QuoteFacts> {
  const { context, signal } = session
  let told = ''
  const tell = (quote: QuoteFacts): void => {
    const text = waitingText(quote)
    lines.draw([printable(text)])
    // In a log, what it waits for is worth a line, and each step of the way is not.
    const reason = quote.reason ?? ''
    if (!lines.isLive && reason !== told) context.stderr.write(`${printable(text)}\n`)
    told = reason
  }
  const ask = () => patiently(session, () => jobs.askQuote({ body }))
  let quote = await ask()
  let alone = 0
  for (let look = 1; quote.status === 'measuring' && look <= LOOKS_MAX; look++) {
    if (quote.nodes === 0 && ++alone > LOOKS_ALONE_MAX) break
    tell(quote)
    await context.sleep(EVERY_MS, signal)
    const { quoteId } = quote
    const found = await patiently(session, () => unlessForgotten(jobs.getQuote({ params: { quoteId } })))
    quote = found ?? (await ask())
  }
  lines.clear()
  if (quote.status === 'ready') return quote
  const reason = quote.reason ?? 'its tasks were not measured in time'
  if (quote.status === 'failed') throw new Problem('engine_failed', `There is no quote: ${reason}`)
  const then = quote.nodes === 0 ? 'a node is there' : 'its nodes are less busy'
  throw new Problem(
    'no_node_available',
    `There is no quote yet: ${reason.replace(/\.$/, '')}. Try again when ${then}.`,
  )
}

/** `null` where the network has started anew since: what it has measured is still there. */
async function unlessForgotten(quote: Promise<QuoteFacts>): Promise<QuoteFacts | null> {
  try {
    return await quote
  } catch (error) {
    if (error instanceof Problem && error.code === 'not_found') return null
    throw error
  }
}

function waitingText({ previews, reason }: QuoteFacts): string {
  const there = previews.filter(({ file }) => file !== null).length
  const count = previews.length === 0 ? '' : ` ${there} of ${previews.length} previews`
  return `measuring:${count}${reason === null ? '' : ` · ${reason}`}`.replace(/:$/, '')
}

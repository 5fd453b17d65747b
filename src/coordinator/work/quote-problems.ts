/** Why there is no quote, or no job of one: what the caller is told. */
import { unreachable } from '#kernel/assert.ts'
import { MINUTE_MS, type TimestampMs } from '#kernel/time.ts'
import type { AskQuote } from '#protocol/job.ts'
import { Problem } from '#protocol/problem.ts'
import type { KeptQuote } from './kept-quote.ts'

const MEASURING_MAX = 4
const ASKED_PER_HOUR = 60
/** Of the tasks of all quotes of an organisation, which are kept in memory. */
const TASKS_MAX = 400_000

/** A quote that is waited for is read every second or so. */
const UNREAD_MS = MINUTE_MS

/** Where an organisation, of which these are the quotes, has all that may be measured: the oldest that nobody waits for. */
export function mayMakeRoom(own: readonly KeptQuote[], nowMs: TimestampMs): KeptQuote | undefined {
  const measuring = own.filter(({ status }) => status === 'measuring')
  if (measuring.length < MEASURING_MAX) return undefined
  return measuring.find(({ readAtMs }) => nowMs - readAtMs >= UNREAD_MS)
}

/** Throws where an organisation, of which these are the quotes, has asked for as much as it may. */
export function checkOften(own: readonly KeptQuote[], body: AskQuote): void {
  const measuring = own.filter(({ status }) => status === 'measuring')
  if (measuring.length >= MEASURING_MAX)
    throw new Problem(
      'rate_limited',
      `${MEASURING_MAX} quotes of this organisation are being measured (${measuring.map(({ quoteId }) => quoteId).join(', ')}), and no more are at once. Ask when one of them is ready.`,
    )
  if (own.length >= ASKED_PER_HOUR)
    throw new Problem(
      'rate_limited',
      `This organisation asked for ${ASKED_PER_HOUR} quotes in the last hour, which is all that it may. Wait some minutes, or make jobs of those that it has.`,
    )
  const count = (steps: readonly { readonly tasks: readonly unknown[] }[]): number =>
    steps.reduce((sum, { tasks }) => sum + tasks.length, 0)
  const tasks = own.reduce((sum, { steps }) => sum + count(steps), count(body.steps))
  if (tasks > TASKS_MAX)
    throw new Problem(
      'rate_limited',
      `The quotes of this organisation’s last hour have ${TASKS_MAX} tasks together, which is all that they may. Wait some minutes.`,
    )
}

/** Why there is no job of the quote. */
export function notReady({ quoteId, status, failure }: KeptQuote): Problem {
  switch (status) {
    case 'failed':
      return new Problem(
        'conflict',
        `Quote ${quoteId} failed: ${failure} Ask for a new one once that is mended.`,
      )
    case 'measuring':
      return new Problem('conflict', `Quote ${quoteId} is still being measured. Read it until it is ready.`)
    case 'ready':
      return new Problem('conflict', `Quote ${quoteId} has no figures. Ask for a new one.`)
    default:
      return unreachable(status)
  }
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AskQuote } from '#protocol/job.ts'
import type { KeptQuote } from './kept-quote.ts'
import { checkOften, notReady } from './quote-problems.ts'

const HELD_MAX = 400_000

test('an organisation that asked often enough is told which of its bounds it met', () => {
  const limited = (own: KeptQuote[], tasks = 1) => problemOf(() => checkOften(own, asks(tasks)))
  const four = ['q1', 'q2', 'q3', 'q4'].map((quoteId) => quote({ quoteId, status: 'measuring' }))
  assert.equal(limited(four.slice(1)), null)
  assert.match(
    limited(four) ?? '',
    /^rate_limited: 4 quotes .*\(q1, q2, q3, q4\).*Ask when one of them is ready\.$/,
  )
  const sixty = Array.from({ length: 60 }, (_, at) => quote({ quoteId: `q${at}` }))
  assert.equal(limited(sixty.slice(1)), null)
  assert.match(limited(sixty) ?? '', /^rate_limited: .*60 quotes in the last hour.*Wait some minutes/)
  // What is being measured is said first: it is over soonest.
  assert.match(limited([...sixty, ...four]) ?? '', /being measured/)
})

test('the tasks of its quotes are bounded together, those that are asked for among them', () => {
  const limited = (kept: number, asked: number) =>
    problemOf(() => checkOften([quote({ tasks: kept }), quote({ tasks: 100_000 })], asks(asked)))
  assert.equal(limited(HELD_MAX - 200_000, 100_000), null)
  assert.match(limited(HELD_MAX - 200_000, 100_001) ?? '', /^rate_limited: .*have 400000 tasks together/)
})

test('a quote of which no job can be made says why, and what to do', () => {
  const rows = [
    [
      quote({ status: 'failed', failure: 'Frame 1 failed: no camera.' }),
      /Quote q1 failed: Frame 1 failed: no camera\. Ask for a new one/,
    ],
    [quote({ status: 'measuring' }), /Quote q1 is still being measured\. Read it until it is ready/],
    [quote({ status: 'ready' }), /Quote q1 has no figures\. Ask for a new one/],
  ] as const
  for (const [kept, message] of rows) {
    const problem = notReady(kept)
    assert.equal(problem.code, 'conflict')
    assert.match(problem.message, message)
  }
})

function problemOf(run: () => void): string | null {
  try {
    run()
    return null
  } catch (error) {
    return error instanceof Error && 'code' in error ? `${error.code}: ${error.message}` : String(error)
  }
}

const stepOf = (count: number) => ({ tasks: Array.from({ length: count }, (_, part) => ({ part })) })

const asks = (count: number) => ({ name: 'scene', steps: [stepOf(count)] }) as unknown as AskQuote

/** Of all that a quote has, what these rules look at. */
function quote({ tasks = 1, ...part }: Partial<KeptQuote> & { tasks?: number } = {}): KeptQuote {
  const usual = { quoteId: 'q1', status: 'ready', failure: null, figures: null, steps: [stepOf(tasks)] }
  return { ...usual, ...part } as unknown as KeptQuote
}

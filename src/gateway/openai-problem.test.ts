import assert from 'node:assert/strict'
import { test } from 'node:test'
import { neverLimited, tokensLimited } from './key-limit-problems.ts'
import { respondProblem } from './openai-problem.ts'
import { RecordedExchange } from './test-recorded-exchange.ts'

test('a client is told when to come back, and that it need not where no wait would help', () => {
  const limits = { tokensPerDay: 100 }
  const large = neverLimited(limits, 101, (limit) => limit)
  const left = tokensLimited(limits, { left: 10, tokensMax: 11 }, 30_000)
  const sent = [large, left].map((problem) => {
    assert.ok(problem)
    const exchange = new RecordedExchange()
    respondProblem(exchange, 'req_1', problem)
    const { 'retry-after': after, 'x-should-retry': should } = exchange.sentHeaders
    return [exchange.status, after, should]
  })
  assert.deepEqual(sent, [
    [429, undefined, 'false'],
    [429, '30', undefined],
  ])
})

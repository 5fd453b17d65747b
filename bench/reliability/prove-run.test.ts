import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { UsageLine } from '#protocol/usage-page.ts'
import { proveBills, textChecks } from './prove-run.ts'
import { steady } from './test-steady.ts'

test('each answer that ended well is billed once, as its caller was told', () => {
  const results = [steady({ requestId: 'req_1' }), steady({ requestId: 'req_2', error: 'cut off' })]
  proveBills(results, [bill('req_1'), bill('req_2', { outcome: 'failed', cost: 0n })])
})

test('an answer without a bill, with two, or with another than was told, ends the run', () => {
  const results = [steady({ requestId: 'req_1' })]
  assert.throws(() => proveBills(results, [bill('req_9')]), /req_1 was completed, so it is billed/)
  assert.throws(() => proveBills(results, [bill('req_1'), bill('req_1')]), /billed twice/)
  assert.throws(() => proveBills(results, [bill('req_1', { cost: 6n })]))
  assert.throws(() => proveBills(results, [bill('req_1', { completionTokens: 4 })]))
  const untold = [steady({ requestId: 'req_1', cost: null })]
  assert.throws(() => proveBills(untold, [bill('req_1')]), /told its number, its tokens and its cost/)
})

test('texts of which one is not explained, or none was compared, do not pass', () => {
  const texts = { compared: 9, same: 8, nearTies: 1, unexplained: 0 }
  const failed = (change: object) =>
    textChecks({ ...texts, ...change })
      .filter(({ isPassed }) => !isPassed)
      .map(({ what }) => what)
  assert.deepEqual(failed({}), [])
  assert.deepEqual(failed({ unexplained: 1 }), ['answers with a token repeated, lost or changed'])
  assert.deepEqual(failed({ compared: 0 }), ['answers compared'])
})

const bill = (requestId: string, change: Partial<UsageLine> = {}) =>
  ({
    requestId,
    outcome: 'completed',
    promptTokens: 2,
    completionTokens: 3,
    cost: 5n,
    ...change,
  }) as UsageLine

/** What the engine says of answers that others gave, by a real child process on tiny models of random weights. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { EngineRequest } from '#protocol/engine-request.ts'
import { compareClaims, countSurprises } from '#verify/answer-evidence.ts'
import { completion, type FinishedRun, finishRun, openTinyEngine } from './tiny-engine.ts'

const honest = await openTinyEngine({ slots: 2 })
const other = await openTinyEngine({ slots: 2, model: { seed: 2 } })
after(() => Promise.all([honest.close(), other.close()]))
await Promise.all([honest.engine.ready(), other.engine.ready()])

const TOKENS = 96
const asked = completion('the node is', { maxTokens: TOKENS, sampling: { temperature: 1, seed: 5 } })
const answer = await finishRun(honest.engine, { ...asked, topLogprobs: 0 } as EngineRequest)
const claimed = answer.deltas.flatMap(({ detail }) => detail?.logprobs?.map(({ logprob }) => logprob) ?? [])

test('the log probabilities of an answer are those that it was given with, whoever reads it', async () => {
  const { logprobs, tails } = scoresOf(await finishRun(honest.engine, scoring({ tokenIds: answer.tokenIds })))
  assert.equal(logprobs.length, TOKENS)
  for (const [index, logprob] of logprobs.entries())
    assert.ok(Math.abs(logprob - (claimed[index] ?? 0)) < 0.01, `token ${index}: ${logprob}`)
  assert.ok(tails.every((tail) => tail > 0 && tail <= 1))
  assert.deepEqual(compareClaims(claimed, logprobs), { tokens: TOKENS, off: 0 })
  const { off } = countSurprises(tails)
  assert.ok(off <= TOKENS / 8, `${off} of ${TOKENS} tokens surprise the model that drew them`)
})

test('another model of the same size finds an answer surprising, and its own claims do not fit', async () => {
  const scores = scoresOf(await finishRun(other.engine, scoring({ tokenIds: answer.tokenIds })))
  assert.ok(compareClaims(claimed, scores.logprobs).off > TOKENS / 4)
})

test('nothing is generated, the end is scored too where it is asked for, and a long answer comes in parts', async () => {
  const short = await finishRun(
    honest.engine,
    scoring({ tokenIds: answer.tokenIds.slice(0, 3), hasEnd: true }),
  )
  assert.deepEqual([short.text, short.tokenIds, short.end?.completionTokens], ['', [], 0])
  assert.equal(scoresOf(short).logprobs.length, 4)
  const long = Array.from({ length: 1_200 }, (_, index) => answer.tokenIds[index % TOKENS] ?? 0)
  const scored = await finishRun(honest.engine, scoring({ tokenIds: long }))
  assert.equal(scoresOf(scored).tails.length, 1_200)
})

test('an answer whose ids nobody knows is scored by its text', async () => {
  const scores = scoresOf(await finishRun(honest.engine, scoring({ text: answer.text })))
  assert.ok(scores.logprobs.length > TOKENS / 4)
})

test('tokens of another vocabulary and answers beyond the context are refused, and the engine serves on', async () => {
  const strange = await finishRun(honest.engine, scoring({ tokenIds: [1_000_000] }))
  assert.equal(strange.problem?.code, 'invalid_request')
  const long = await finishRun(honest.engine, scoring({ tokenIds: new Array(4_000).fill(5) }))
  assert.equal(long.problem?.code, 'context_length_exceeded')
  assert.equal((await finishRun(honest.engine, asked)).text, answer.text)
})

function scoring(scored: { tokenIds?: readonly number[]; text?: string; hasEnd?: boolean }): EngineRequest {
  return { ...asked, scored: { hasEnd: false, ...scored } } as EngineRequest
}

function scoresOf({ deltas, problem }: FinishedRun): { logprobs: number[]; tails: number[] } {
  assert.equal(problem, null)
  return {
    logprobs: deltas.flatMap(({ detail }) => detail?.scores?.logprobs ?? []),
    tails: deltas.flatMap(({ detail }) => detail?.scores?.tails ?? []),
  }
}

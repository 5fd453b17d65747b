import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CountAsk } from '#host/token-counter.ts'
import { type Claim, KeptAnswer } from './kept-answer.ts'

test('what the model thought is counted anew with its answer, in the order in which it came', () => {
  const asked: CountAsk[] = []
  const sampling = { temperature: 0, topP: 1, stop: [], frequencyPenalty: 0, presencePenalty: 0 }
  const kept = new KeptAnswer(
    { kind: 'chat', requestId: 'r', model: 'm', messages: [], maxTokens: 9, sampling },
    {
      counter: {
        warm() {},
        close() {},
        count(ask, done) {
          asked.push(ask)
          done({ promptTokens: null, completionTokens: 4 })
        },
      },
      isSuspect: () => false,
      judge() {},
    },
  )
  const piece = { tokenIds: [], tokenCount: 1, idsKnown: false }
  kept.add({ ...piece, text: '', detail: { reasoning: 'Let me ' } })
  kept.add({ ...piece, text: '', detail: { reasoning: 'think.' } })
  kept.add({ ...piece, text: 'Hi' })
  const paid: Claim[] = []
  kept.count({ promptTokens: 3, completionTokens: 5 }, (found) => void paid.push(found))
  assert.equal(asked[0]?.text, 'Let me think.Hi')
  assert.deepEqual(paid, [{ promptTokens: 3, completionTokens: 4 }])
})

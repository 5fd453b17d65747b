import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RunResult } from '../run-request.ts'
import { AnswerCollector, formatKept, parseKept, tellAgain } from './kept-answer.ts'

const known = { batchId: 'b', line: 1, choice: 0, requestId: 'r', createdAtMs: 1 }
const result: RunResult = {
  ...{ nodeId: 'n', finishReason: 'stop', promptTokens: 1, completionTokens: 2, continuations: 0 },
  ...{ cost: 1n, firstTokenMs: 1, totalMs: 2 },
}

test('an answer that was kept is told again with what its model thought, and one without thoughts as before', () => {
  for (const [pieces, told] of [
    [
      ['Let me ', 'think.'],
      ['n', ' Let me think.', 'Hi', 'stop'],
    ],
    [[], ['n', 'Hi', 'stop']],
  ] as const) {
    const collector = new AnswerCollector()
    for (const reasoning of pieces) collector.onText('', { reasoning })
    collector.onText('Hi')
    const kept = parseKept(formatKept(collector.answer(known, result)))
    assert.ok(kept)
    assert.equal('reasoning' in kept, pieces.length > 0)
    const heard: string[] = []
    tellAgain(kept, {
      onNode: (nodeId) => void heard.push(nodeId),
      onText: (text, detail) =>
        void heard.push([text, ...(detail?.reasoning ? [detail.reasoning] : [])].join(' ')),
      onEmbedding: () => assert.fail('no vectors'),
      onFinish: ({ finishReason }) => void heard.push(finishReason),
      onProblem: (problem) => assert.fail(problem),
      onCut: () => assert.fail('cut'),
    })
    assert.deepEqual(heard, told)
  }
})

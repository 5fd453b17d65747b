import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EngineRequest } from '#protocol/engine-request.ts'
import { createTestWorld } from '#sim/test-world.ts'
import type { NodeConnection } from '../node-connection.ts'
import type { StreamSink } from '../node-streams.ts'
import { askAuditor } from './ask-auditor.ts'
import type { Question, Said } from './audited.ts'
import { type Answered, AuditedAnswer } from './audited-answer.ts'
import { AuditedVectors } from './audited-vectors.ts'

const sampling = { temperature: 0, topP: 1, stop: [], frequencyPenalty: 0, presencePenalty: 0 }
const completion: Answered = {
  ...{ kind: 'completion', requestId: 'r', model: 'm', prompt: 'Once upon', maxTokens: 9, sampling },
}

test('an auditor is paid for what it says that it read, and for no more than there was', () => {
  const kept = new AuditedAnswer(completion, 25)
  kept.add({ text: ' a', tokenIds: [1, 2, 3], tokenCount: 3, idsKnown: true })
  const question = kept.question('q', 'length')
  for (const [says, readTokens] of [
    [2, 5],
    [25, 28],
    [1_000_000_000, 28],
  ] as const)
    assert.equal(ask(question, says).readTokens, readTokens, `${says} tokens`)
})

test('what was delivered before is read with the prompt', () => {
  const kept = new AuditedAnswer({ ...completion, resumedIds: [4, 5] }, 25)
  kept.add({ text: ' a', tokenIds: [1, 2, 3], tokenCount: 3, idsKnown: true })
  assert.equal(ask(kept.question('q', 'length'), 1_000).readTokens, 25 + 2 + 3)
})

test('of a long list of texts only those count that it was given', () => {
  const inputs = Array.from({ length: 500 }, () => 'ten bytes.')
  const kept = new AuditedVectors({ kind: 'embedding', requestId: 'r', model: 'm', inputs }, () => 0)
  assert.equal(ask(kept.question('q'), 5_000).readTokens, 4 * (10 + 16))
})

/** What a node that says it read so many tokens is taken to have said. */
function ask(question: Question, promptTokens: number): Said {
  const { host } = createTestWorld().machine('g')
  const said: (Said | null)[] = []
  const node = {
    open(request: EngineRequest, sink: StreamSink) {
      const detail = { scores: { logprobs: [-1, -1, -1], tails: [0, 0, 0] } }
      if (request.kind === 'embedding') sink.onEmbedding(request.inputs.map(() => [1]))
      else sink.onData({ text: '', tokenIds: [], tokenCount: 0, idsKnown: true, detail })
      end = () => sink.onEnd({ promptTokens, completionTokens: 0, finishReason: 'stop' })
      return { credit: () => undefined, cancel: () => undefined }
    },
  }
  let end = (): void => undefined
  askAuditor(host.clock, { node: node as unknown as NodeConnection, question }, (one) => void said.push(one))
  end()
  return said[0] ?? assert.fail('it said nothing usable')
}

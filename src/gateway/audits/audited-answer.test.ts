import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Answered, AuditedAnswer } from './audited-answer.ts'

test('an answer that follows on thoughts without token ids is looked at by nothing, as is any other by how it was drawn', () => {
  const sampling = { temperature: 0, topP: 1, stop: [], frequencyPenalty: 0, presencePenalty: 0 }
  const request: Answered = { kind: 'chat', requestId: 'r', model: 'm', messages: [], maxTokens: 9, sampling }
  const piece = { tokenIds: [], tokenCount: 1, idsKnown: false }
  const plain = new AuditedAnswer(request, 9)
  plain.add({ ...piece, text: 'Hi' })
  assert.equal(plain.test, 'typical')
  const thoughtful = new AuditedAnswer(request, 9)
  thoughtful.add({ ...piece, text: '', detail: { reasoning: 'Hm.' } })
  thoughtful.add({ ...piece, text: 'Hi' })
  assert.equal(thoughtful.test, null)
})

test('thoughts of no length, of which a caller sees nothing, take an answer out of no audit', () => {
  const sampling = { temperature: 0, topP: 1, stop: [], frequencyPenalty: 0, presencePenalty: 0 }
  const request: Answered = { kind: 'chat', requestId: 'r', model: 'm', messages: [], maxTokens: 9, sampling }
  const sly = new AuditedAnswer(request, 9)
  sly.add({ text: 'Hi', tokenIds: [], tokenCount: 1, idsKnown: false, detail: { reasoning: '' } })
  assert.equal(sly.test, 'typical')
})

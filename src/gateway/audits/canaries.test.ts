import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MINUTE_MS } from '#kernel/time.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import { createTestWorld } from '#sim/test-world.ts'
import { createDirectory, type Directory } from '../directory.ts'
import type { NodeConnection } from '../node-connection.ts'
import type { StreamSink } from '../node-streams.ts'
import type { RunRequest } from '../run-request.ts'
import { startCanaries } from './canaries.ts'

const sampling = { temperature: 0.7, topP: 1, stop: [], frequencyPenalty: 0, presencePenalty: 0 }
const common = { requestId: 'r', model: 'm', maxTokens: 9, sampling }
const chat: EngineRequest = {
  ...{ kind: 'chat', ...common, withReasoning: true, topLogprobs: 2 },
  messages: [
    { role: 'system', content: 'Be brief and kind.' },
    { role: 'user', content: 'What is the weather like on the moon?' },
  ],
}
const completion: EngineRequest = { kind: 'completion', ...common, prompt: 'Once upon a time there was' }

test('a canary has every field that callers’ requests have, and no other', async () => {
  for (const seen of [chat, completion]) {
    const { engine } = await canaryLike(seen)
    assert.deepEqual(Object.keys(engine).toSorted(), Object.keys(seen).toSorted())
  }
})

test('a canary has as many messages as callers’ chats, of the same roles and lengths, and none of their words', async () => {
  const { engine, promptTokensMax } = await canaryLike(chat)
  assert.ok(engine.kind === 'chat' && chat.kind === 'chat')
  assert.deepEqual(
    engine.messages.map(({ role }) => role),
    ['system', 'user'],
  )
  for (const [at, { content }] of engine.messages.entries()) {
    assert.ok(Math.abs(content.length - (chat.messages[at]?.content.length ?? 0)) <= 2, content)
    assert.match(content, /^x+$/)
  }
  assert.ok(promptTokensMax > 512)
})

test('a node that tells no log probabilities is asked for none', async () => {
  const { engine } = await canaryLike(chat, [])
  assert.ok(engine.kind === 'chat' && engine.topLogprobs === undefined && engine.withReasoning)
})

/** What the network asks a node once ten answers of it went unseen. */
async function canaryLike(request: EngineRequest, features = ['logprobs']): Promise<RunRequest> {
  const world = createTestWorld()
  const { host } = world.machine('g')
  const directory = createDirectory()
  const nodes = ['op', 'node'].map((id) => ({ id, organisationId: id, isReference: id === 'op' }))
  directory.apply({
    ...{ epoch: 1, version: 1, isComplete: true, wantsPresence: false, keys: [] },
    nodes: nodes.map((node) => ({
      ...{ ...node, publicKey: node.id, session: 1, isDrained: false, isBanned: false, models: ['m'] },
    })),
  } as unknown as Parameters<Directory['apply']>[0])
  const asked: RunRequest[] = []
  const canaries = startCanaries({
    ...{ clock: host.clock, random: host.random, secrets: host.secrets, directory },
    nodes: () => nodes.map(({ id }) => connection(id, features)),
    ask: (one) => void asked.push(one),
  })
  canaries.seen(request)
  for (let at = 0; at < 10; at++) canaries.answered('node', false)
  await world.run(10 * MINUTE_MS)
  canaries.close()
  return asked[0] ?? assert.fail('nothing was asked')
}

const connection = (nodeId: string, features: string[]): NodeConnection =>
  ({
    nodeId,
    offers: new Map([['m', { model: { name: 'm', features } }]]),
    open(_request: EngineRequest, sink: StreamSink) {
      queueMicrotask(() => {
        sink.onData({ text: 'x'.repeat(500), tokenIds: [], tokenCount: 99, idsKnown: false })
        sink.onEnd({ promptTokens: 5, completionTokens: 99, finishReason: 'stop' })
      })
      return { credit: () => undefined, cancel: () => undefined }
    },
  }) as unknown as NodeConnection

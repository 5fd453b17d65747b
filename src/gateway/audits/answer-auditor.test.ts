import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AnswerNews } from '#protocol/answer-audit.ts'
import type { FollowedNode } from '#protocol/cell.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import { createTestWorld, type TestWorld } from '#sim/test-world.ts'
import { createDirectory, type Directory } from '../directory.ts'
import type { NodeConnection } from '../node-connection.ts'
import type { StreamSink } from '../node-streams.ts'
import { type AnswerAuditor, type AnswerAuditorParts, createAnswerAuditor } from './answer-auditor.ts'
import { type AuditorAsk, chooseAuditor } from './choose-auditor.ts'

test('two owners with a file that nobody else has do not judge each other alone, and three with one do', () => {
  const ring = [node('j', { owner: 'friend', file: 'made up' })]
  const honest = ['a', 'b', 'c'].map((owner) => node(owner, { owner, file: 'known' }))
  const asked = drawn([...ring, ...honest], { fingerprint: 'made up' })
  assert.ok((asked.get('friend') ?? 0) < 400 && asked.size === 4, JSON.stringify([...asked]))
  const known = drawn([...ring, ...honest], { fingerprint: 'known' })
  assert.deepEqual([...known.keys()].toSorted(), ['a', 'b', 'c'])
})

test('the operator’s own node is among those who judge, whatever its file', () => {
  const ring = ['j', 'k', 'l'].map((owner) => node(owner, { owner, file: 'made up' }))
  const own = node('op', { owner: 'op', file: 'known', isReference: true })
  assert.ok((drawn([...ring, own], { fingerprint: 'made up' }).get('op') ?? 0) > 150)
})

test('each owner is as likely to judge as any other, however many nodes it has and however idle they say they are', () => {
  const idle = Array.from({ length: 20 }, (_, at) => node(`idle${at}`, { owner: 'always idle' }))
  const busy = ['a', 'b', 'c'].map((owner) => node(owner, { owner, outstanding: 9 }))
  const asked = drawn([...idle, ...busy])
  for (const owner of ['always idle', 'a', 'b', 'c'])
    assert.ok((asked.get(owner) ?? 0) > 180, `${owner}: ${asked.get(owner)}`)
})

test('of an owner’s nodes one with nothing to do is asked', () => {
  const { directory, nodes } = network([
    node('busy', { owner: 'a', outstanding: 1 }),
    node('idle', { owner: 'a' }),
  ])
  const { host } = createTestWorld().machine('g')
  for (let at = 0; at < 20; at++)
    assert.equal(chooseAuditor(ask(), { nodes, directory, random: host.random })?.node.nodeId, 'idle')
})

test('an answer that was drawn and that nobody looked at does not count as seen', async () => {
  const { world, seen, answer } = open([node('liar', { owner: 'liar' })])
  answer('liar', 'm')
  assert.deepEqual(seen, [], 'nobody knows yet')
  await world.run(70_000)
  assert.deepEqual(seen, [['liar', false]])
  const heard = open([node('liar', { owner: 'liar' }), node('a', { owner: 'a' })])
  heard.answer('liar', 'm')
  await heard.world.run(1_000)
  assert.deepEqual(heard.seen, [['liar', true]])
})

test('an answer that nothing can be said of does not count as seen either', () => {
  const { seen, answer } = open([node('liar', { owner: 'liar' }), node('a', { owner: 'a' })])
  answer('liar', 'm', { text: 'So.', tokenIds: [], idsKnown: false, detail: { reasoning: 'Hm.' } })
  answer('liar', 'm', { text: '', tokenIds: [], idsKnown: true })
  assert.deepEqual(seen, [
    ['liar', false],
    ['liar', false],
  ])
})

test('a model that nobody else serves does not keep the answers of others from being looked at', async () => {
  const alone = { owner: 'p', model: 'm1' }
  const { world, told, answer } = open([
    node('p', alone),
    node('liar', { owner: 'liar' }),
    node('a', { owner: 'a' }),
  ])
  for (let at = 0; at < 400; at++) answer('p', 'm1')
  assert.equal(told.filter(({ model }) => model === 'm1').length, 400 - 256)
  answer('liar', 'm')
  await world.run(20_000)
  const [other] = told.filter(({ model }) => model === 'm')
  assert.ok(other?.kind === 'check' && other.opinions.length === 1)
})

test('an auditor that says nothing twice is not asked for ten minutes', async () => {
  const asked: string[] = []
  const mute = node('mute', { owner: 'mute', isMute: true, onAsked: (id) => void asked.push(id) })
  const { world, answer, told } = open([node('liar', { owner: 'liar' }), mute])
  for (let at = 0; at < 8; at++) {
    answer('liar', 'm')
    await world.run(130_000)
  }
  assert.equal(asked.length, 3, 'the third time after the rest')
  assert.equal(told.length, 8)
})

interface Fake {
  readonly connection: NodeConnection
  readonly followed: FollowedNode
}

interface FakeOf {
  readonly owner: string
  readonly model?: string
  readonly file?: string
  readonly outstanding?: number
  readonly isReference?: boolean
  readonly isMute?: boolean
  readonly onAsked?: (nodeId: string) => void
}

const price = { promptPerMillion: 1n, completionPerMillion: 1n }

function node(nodeId: string, of: FakeOf): Fake {
  const { owner, model = 'm', file = 'f', outstanding = 0, isReference = false, isMute = false } = of
  const offered = {
    ...{
      name: model,
      fingerprint: file,
      tasks: ['chat'],
      features: ['score'],
      contextTokens: 4_096,
      slots: 4,
    },
    decodeTokensPerSecondSingle: 1e9,
  }
  const connection = {
    ...{ nodeId, protocol: 99, isBackstop: false, region: null, keepsNoPrompts: false },
    offers: new Map([[model, { model: offered, price }]]),
    outstanding: () => outstanding,
    open(_request: EngineRequest, sink: StreamSink) {
      of.onAsked?.(nodeId)
      const detail = { scores: { logprobs: [-1, -1, -1], tails: [0.5, 0.5, 0.5] } }
      if (!isMute)
        queueMicrotask(() => {
          sink.onData({ text: '', tokenIds: [], tokenCount: 0, idsKnown: true, detail })
          sink.onEnd({ promptTokens: 5, completionTokens: 0, finishReason: 'stop' })
        })
      return { credit: () => undefined, cancel: () => undefined }
    },
  } as unknown as NodeConnection
  const followed = {
    ...{
      id: nodeId,
      organisationId: owner,
      publicKey: nodeId,
      session: 1,
      isDrained: false,
      isBanned: false,
    },
    ...{ models: [model], auditBps: 10_000, isReference },
  }
  return { connection, followed }
}

function network(fakes: readonly Fake[]): { directory: Directory; nodes: NodeConnection[] } {
  const directory = createDirectory()
  const nodes = fakes.map(({ followed }) => followed)
  directory.apply({
    ...{ epoch: 1, version: 1, isComplete: true, wantsPresence: false, nodes, keys: [] },
  } as unknown as Parameters<Directory['apply']>[0])
  return { directory, nodes: fakes.map(({ connection }) => connection) }
}

const ask = (fingerprint = 'f'): AuditorAsk => ({
  ...{ model: 'm', fingerprint, preferences: undefined, notOf: new Set(['liar']), contextTokens: 10 },
  kind: 'score',
})

/** How often each owner is asked, of a thousand times. */
function drawn(fakes: readonly Fake[], { fingerprint = 'f' } = {}): Map<string, number> {
  const { directory, nodes } = network(fakes)
  const { host } = createTestWorld().machine('g')
  const counts = new Map<string, number>()
  for (let at = 0; at < 1_000; at++) {
    const owner = chooseAuditor(ask(fingerprint), { nodes, directory, random: host.random })?.organisationId
    counts.set(owner ?? '', (counts.get(owner ?? '') ?? 0) + 1)
  }
  return counts
}

interface Opened {
  readonly world: TestWorld
  readonly told: AnswerNews[]
  readonly seen: [string, boolean][]
  /** The node gives this answer, and it is its turn. */
  answer(
    nodeId: string,
    model: string,
    piece?: { text: string; tokenIds: number[]; idsKnown: boolean; detail?: { reasoning: string } },
  ): void
}

function open(fakes: readonly Fake[]): Opened {
  const world = createTestWorld()
  const { host } = world.machine('g')
  const { directory, nodes } = network(fakes)
  const told: AnswerNews[] = []
  const seen: [string, boolean][] = []
  const parts: AnswerAuditorParts = {
    ...{ clock: host.clock, crypto: host.crypto, random: host.random, secrets: host.secrets, directory },
    nodes: () => nodes,
    tell: (news) => void told.push(news),
    onAnswer: (nodeId, wasLookedAt) => void seen.push([nodeId, wasLookedAt]),
  }
  const auditor: AnswerAuditor = createAnswerAuditor(parts)
  let answers = 0
  return {
    ...{ world, told, seen },
    answer(nodeId, model, piece = { text: 'abc', tokenIds: [1, 2, 3], idsKnown: true }) {
      const sampling = { temperature: 0, topP: 1, stop: [], frequencyPenalty: 0, presencePenalty: 0 }
      const request: EngineRequest = {
        ...{ kind: 'chat', requestId: `req_${++answers}`, model, messages: [], maxTokens: 3, sampling },
        withReasoning: true,
      }
      const offer = nodes.find((one) => one.nodeId === nodeId)?.offers.get(model)
      assert.ok(offer)
      const { audit } = auditor.prepare(request, {
        ...{ nodeId, offer, organisationId: 'caller', preferences: undefined, promptTokensMax: 9 },
        ...{ roundTripMs: 0, isCanary: false },
      })
      audit?.add({ ...piece, tokenCount: Math.max(1, piece.tokenIds.length) })
      const facts = {
        finishReason: 'length',
        promptTokens: 9,
        completionTokens: 3,
        firstTokenMs: 50,
        lastTokenMs: 99,
      } as const
      audit?.over(facts, 1n)
    },
  }
}

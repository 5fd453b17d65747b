import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ProofNews, proofNewsSubject } from '#protocol/hardware-proof.ts'
import { createTestWorld } from '#sim/test-world.ts'
import { createProofRelay, type ProofNode } from './proof-relay.ts'

test('after a start of the coordinator all nodes are told of together', async () => {
  const { relay, join, heard, run } = setup()
  for (let index = 0; index < 50; index++) join(`node-${index}`)
  await run(1_000)
  assert.equal(heard.length, 50)
  heard.length = 0
  relay.tellAll()
  await run(30_000)
  assert.equal(heard.length, 1)
  assert.deepEqual(toldOf(heard), nodeIds(50))
  assert.deepEqual(
    heard.flatMap(({ say, more = [] }) => [say, ...more.map((word) => word.say)].map(({ kind }) => kind)),
    Array(50).fill('able'),
  )
})

test('nodes with many devices are told of in several messages, each of them once', async () => {
  const { relay, join, heard, run } = setup()
  for (let index = 0; index < 20; index++) join(`node-${index}`, 64)
  await run(1_000)
  heard.length = 0
  relay.tellAll()
  await run(30_000)
  assert.equal(heard.length, 5)
  assert.ok(heard.every((news) => JSON.stringify(news).length < 100_000))
  assert.deepEqual(toldOf(heard), nodeIds(20))
})

test('a coordinator of before hears the first alone, and is told of the others one by one', async () => {
  const { relay, join, heard, run, answer } = setup()
  for (let index = 0; index < 5; index++) join(`node-${index}`)
  await run(1_000)
  heard.length = 0
  answer(({ more: _, ...news }) => {
    heard.push(news)
    return '{}'
  })
  relay.tellAll()
  await run(30_000)
  assert.deepEqual(toldOf(heard), nodeIds(5))
})

test('who is away by then, or can prove something else, is not told of again', async () => {
  const { relay, join, heard, run, answer } = setup()
  const [gone] = [join('node-0'), join('node-1'), join('node-2')]
  await run(1_000)
  heard.length = 0
  // Nobody answers, and all is said again.
  answer(() => null)
  relay.tellAll()
  relay.lost(gone)
  join('node-1', 3)
  await run(2_500)
  answer((news) => {
    heard.push(news)
    return JSON.stringify({ heard: 1 + (news.more?.length ?? 0) })
  })
  await run(30_000)
  assert.deepEqual(toldOf(heard), ['node-1', 'node-2'])
  const news = heard.flatMap(({ more = [], ...first }) => [first, ...more])
  const known = news.find(({ nodeId }) => nodeId === 'node-1')?.say
  assert.equal(known?.kind === 'able' && known.devices.length, 3)
})

test('what a node can prove is heard once on a connection, and said again it is refused', async () => {
  const { join, able, heard, run } = setup()
  const node = join('node-0')
  await run(1_000)
  able(node, 2)
  able(node)
  await run(1_000)
  assert.deepEqual(
    heard.map(({ say }) => (say.kind === 'refused' ? say.reason : say.kind)),
    ['able', 'answer_repeated', 'answer_repeated'],
  )
})

const nodeIds = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `node-${index}`).toSorted()

const toldOf = (heard: readonly ProofNews[]): string[] =>
  heard.flatMap(({ nodeId, more = [] }) => [nodeId, ...more.map((word) => word.nodeId)]).toSorted()

function setup() {
  const world = createTestWorld()
  const heard: ProofNews[] = []
  let answer = (news: ProofNews): string | null => {
    heard.push(news)
    return JSON.stringify({ heard: 1 + (news.more?.length ?? 0) })
  }
  world.machine('coordinator').host.bus.serve(proofNewsSubject, (message, reply) => {
    const text = answer(ProofNews.parse(JSON.parse(message)))
    if (text !== null) reply(text)
  })
  const relay = createProofRelay(world.machine('gateway').host, { gatewayId: 'gateway' })
  function able(node: ProofNode, count = 1): void {
    const devices = Array.from({ length: count }, (_, index) => ({
      ...{ deviceId: `device-${index}`, kind: 'cuda', name: 'card', memoryMib: 1_024 },
    }))
    relay.hear(node, new TextEncoder().encode(JSON.stringify({ kind: 'able', devices })))
  }
  return {
    relay,
    heard,
    run: world.run,
    answer(next: typeof answer) {
      answer = next
    },
    able,
    join(nodeId: string, count = 1): ProofNode {
      const node: ProofNode = { nodeId, session: 1, protocol: 5, send: () => undefined }
      able(node, count)
      return node
    },
  }
}

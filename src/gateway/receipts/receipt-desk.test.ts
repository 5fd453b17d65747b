/** What nodes say of receipts, and what a gateway makes of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '#host/digest-of.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { PROTOCOL_WITH_EVIDENCE } from '#protocol/agent-version.ts'
import { subjects } from '#protocol/cell.ts'
import { decodeFrames, decodeJson } from '#protocol/frame.ts'
import {
  type ChainPosition,
  ReceiptNews,
  ReceiptNewsReply,
  type ReceiptsOffer,
  ReceiptsOrder,
  type ReceiptsSay,
} from '#protocol/receipts.ts'
import { jsonWriter } from '#protocol/wire-form.ts'
import { networkHeadText, nodeHeadText } from '#receipts/receipt-text.ts'
import { createTestWorld } from '#sim/test-world.ts'
import type { ReceiptNode } from './node-receipts.ts'
import { createReceiptDesk } from './receipt-desk.ts'

test('a chain goes on behind what the network signed, and behind nothing that a node makes up', async () => {
  const { connect } = setup()
  const last = { chain: 'A'.repeat(43), number: 1, hash: 'B'.repeat(43) }
  const said: [string, ReceiptsSay, ChainPosition | null][] = [
    ['signed by the network', { kind: 'hello', last, signature: headBy(network, last) }, last],
    ['signed by itself', { kind: 'hello', last, signature: headBy(keysOf(2), last) }, null],
    [
      'of another number',
      { kind: 'hello', last: { ...last, number: 9 }, signature: headBy(network, last) },
      null,
    ],
    ['without a signature, as older agents say it', { kind: 'hello', last }, null],
  ]
  for (const [what, hello, previous] of said) {
    const node = connect('node_1')
    node.say(hello)
    node.deliver(1)
    const [offer] = await node.offers()
    assert.deepEqual(offer?.facts?.previous, previous, what)
    node.leave()
  }
})

test('the copies of one node keep nobody else’s from the ledger, however many it brings', async () => {
  const { connect, news, run } = setup()
  const [liar, honest] = [connect('node_1'), connect('node_2')]
  for (let count = 0; count < 100; count++) liar.say(claimOf(`liar_${count}`))
  honest.say(claimOf('honest'))
  await run(3_000)
  const brought = news.flatMap(({ claims }) => claims)
  assert.equal(brought.filter(({ nodeId }) => nodeId === 'node_2').length, 1)
  assert.ok(brought.length <= 3, `${brought.length} copies were brought`)
})

test('a node is told once that a chain of before is settled, and of so many chains at most', async () => {
  const { connect, settled, run } = setup()
  const node = connect('node_1')
  for (let count = 0; count < 80; count++) node.say(claimOf(`chain_${count}`, 3))
  const told = async (name: string, number: number): Promise<number> => {
    settled.push({ chain: digest(name), number })
    node.say(claimOf('any'))
    await run(1_000)
    return node.heard().filter((order) => order.kind === 'settled' && order.chain === digest(name)).length
  }
  assert.equal(await told('chain_0', 3), 0, 'the oldest was dropped')
  assert.equal(await told('chain_79', 2), 1, 'a part of it')
  assert.equal(await told('chain_79', 3), 2)
  assert.equal(await told('chain_79', 3), 2, 'nobody waits for it any more')
})

test('the coordinator knows of a result’s receipt though its node is gone before it signs', async () => {
  const { connect, news, run } = setup()
  const node = connect('node_1')
  node.deliver(7)
  node.deliver(8)
  node.leave()
  await run(3_000)
  const made = news.flatMap(({ made = [] }) => made)
  assert.deepEqual(
    made.map(({ nodeId, facts, receipt }) => [nodeId, facts?.of, receipt.number, receipt.organisationId]),
    [
      ['node_1', 'tasks', 1, 'org_1'],
      ['node_1', undefined, 2, 'org_1'],
    ],
  )
  assert.deepEqual(
    made.map(({ receipt }) => (JSON.parse(receipt.text) as { fence: number }).fence),
    [7, 8],
  )
})

test('behind what a node refused it is shown nothing more of that chain, and its signature there counts for nothing', async () => {
  const { connect, news, run } = setup()
  const node = connect('node_1')
  node.deliver(1)
  const [first] = await node.offers()
  assert.ok(first)
  node.deliver(2)
  const [, second] = await node.offers()
  assert.ok(second)
  node.say({ kind: 'refused', chain: first.chain, number: 1, why: 'receipt' })
  node.deliver(3)
  assert.equal((await node.offers()).length, 2)
  node.sign(second)
  await run(1_000)
  assert.deepEqual(
    news.flatMap(({ signed }) => signed),
    [],
  )
  // It is shown all of it where it is next: the coordinator has them.
  assert.equal(news.flatMap(({ made = [] }) => made).length, 3)
})

const digest = digestOf(nodeCrypto)
const keysOf = (fill: number) => nodeCrypto.keyPair(new Uint8Array(32).fill(fill))
const network = keysOf(1)
const toBytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const signedBy = (keys: typeof network, text: string): string =>
  Buffer.from(nodeCrypto.sign(keys.privateKeyHex, toBytes(text))).toString('hex')
const headBy = (keys: typeof network, head: ChainPosition): string => signedBy(keys, networkHeadText(head))

/** Well formed, of a chain that nobody knows. */
function claimOf(name: string, number = 1): ReceiptsSay {
  const chain = digest(name)
  const head = { chain, number, hash: chain, networkSignature: 'ab', nodeSignature: 'ab', disputes: [] }
  return { kind: 'claim', chain, from: number, before: chain, receipts: ['{}'], facts: null, head }
}

function setup() {
  const world = createTestWorld()
  const { host } = world.machine('g')
  const news: ReceiptNews[] = []
  /** What the coordinator answers next. */
  const settled: ReceiptNewsReply['settled'] = []
  const writeReply = jsonWriter(ReceiptNewsReply)
  host.bus.serve(subjects.receipts, (message, reply) => {
    news.push(ReceiptNews.parse(JSON.parse(message)))
    reply(writeReply({ settled: settled.splice(0) }))
  })
  const keys = keysOf(2)
  const directory = { node: () => ({ publicKey: keys.publicKeyHex }), cellNowMs: () => host.clock.nowMs() }
  const desk = createReceiptDesk(
    { ...host, crypto: nodeCrypto, directory: directory as never },
    { gatewayId: 'g1', keySecret: 'secret', network: { keys: network } as never },
  )
  let session = 0

  function connect(nodeId: string) {
    const heard: ReceiptsOrder[] = []
    const node: ReceiptNode = {
      ...{ nodeId, session: ++session, protocol: PROTOCOL_WITH_EVIDENCE },
      send(message) {
        for (const { payload } of decodeFrames(message)) heard.push(ReceiptsOrder.parse(decodeJson(payload)))
      },
    }
    const say = (said: ReceiptsSay): void => desk.hear(node, toBytes(JSON.stringify(said)))
    return {
      say,
      heard: () => heard,
      leave: () => desk.lost(node),
      /** The result of a task is taken. */
      deliver(fence: number) {
        const outputs = [{ name: 'a', bytes: 1, sha256: 'a' }]
        const made = { jobId: 'job', organisationId: 'org_1', step: 0, task: 0, fence, outputs, wallMs: 1 }
        desk.made(node, made)
      },
      async offers(): Promise<ReceiptsOffer[]> {
        await world.run(600)
        return heard.filter((order) => order.kind === 'offer')
      },
      sign({ chain, from, receipts, hash }: ReceiptsOffer) {
        const number = from + receipts.length - 1
        const signature = signedBy(keys, nodeHeadText({ chain, number, hash }, []))
        say({ kind: 'signed', chain, number, signature, disputes: [] })
      },
    }
  }
  return { connect, news, settled, run: world.run }
}

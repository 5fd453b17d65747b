/** What an agent that signs nothing does with the receipts that a gateway shows it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '#host/digest-of.ts'
import { PROTOCOL_WITH_EVIDENCE } from '#protocol/agent-version.ts'
import { decodeFrames, decodeJson, type Frame, FrameType } from '#protocol/frame.ts'
import type { ChainFacts, ReceiptsSay } from '#protocol/receipts.ts'
import {
  chainId,
  filesDigest,
  linksOf,
  networkHeadText,
  outputDigest,
  receiptText,
} from '#receipts/receipt-text.ts'
import { simCrypto } from '#sim/sim-host.ts'
import { createTestWorld } from '#sim/test-world.ts'
import { openReceiptBook } from './receipt-book.ts'
import { createReceiptLink } from './receipt-link.ts'

const NETWORK_KEY = 'a'.repeat(64)

test('receipts that are shown to an agent without a book are left unanswered, and its requests go on', () => {
  const { open, heard, sent } = setup({ hasBook: false })
  const streams = open(PROTOCOL_WITH_EVIDENCE, NETWORK_KEY)
  streams.receive(frame(FrameType.receipts))
  streams.receive(frame(FrameType.cancel))
  assert.deepEqual([heard, sent], [[FrameType.cancel], []])
})

test('so it is with a book, where the network proved no key to sign for', () => {
  const { open, heard, sent } = setup({ hasBook: true })
  open(PROTOCOL_WITH_EVIDENCE, null).receive(frame(FrameType.receipts))
  assert.deepEqual([heard, sent], [[], []])
})

test('on a version without receipts they are a frame like any that agents do not take', () => {
  const { open, heard } = setup({ hasBook: false })
  open(PROTOCOL_WITH_EVIDENCE - 1, NETWORK_KEY).receive(frame(FrameType.receipts))
  assert.deepEqual(heard, [FrameType.receipts])
})

test('a chain from before is not held against a connection whose session has the same number, and the next one begins behind it', async () => {
  const { open, watch, sent, run } = setup({ hasBook: true })
  const network = simCrypto.keyPair(new Uint8Array(32).fill(2))
  watch(network.publicKeyHex)?.begin(1, new Uint8Array([1]), { salt: 'salt' })
  const streams = open(PROTOCOL_WITH_EVIDENCE, network.publicKeyHex)
  const digest = digestOf(simCrypto)
  const [chain, before, other] = ['earlier', 'first', 'other'].map((one) => digest(one)) as [
    string,
    string,
    string,
  ]
  const text = receiptText({
    ...{
      kind: 'part',
      node: 'node',
      request: 'req_1',
      model: 'tiny',
      call: 'chat',
      stream: 1,
      payer: other.slice(0, 22),
    },
    ...{ promptTokens: 1, completionTokens: 0, promptPerMillion: 1n, completionPerMillion: 1n },
    ...{ input: other, output: other, outputBytes: 0, atMs: 1 },
  })
  const place = { chain, from: 2, before }
  const hash = linksOf(digest, { ...place, texts: [text] }).at(-1) ?? ''
  const head = new TextEncoder().encode(networkHeadText({ chain, number: 2, hash }))
  const signature = Buffer.from(simCrypto.sign(network.privateKeyHex, head)).toString('hex')
  const offer = { kind: 'offer', ...place, receipts: [text], facts: null, session: 1, hash, signature }
  streams.receive({ ...frame(FrameType.receipts), payload: new TextEncoder().encode(JSON.stringify(offer)) })
  await run(1_000)
  const said = sent.map((message) => new TextDecoder().decode(message)).join()
  assert.match(said, /"kind":"signed".*"disputes":\[\{"number":2,"why":"unknown"\}\]/)
  watch(network.publicKeyHex)
  open(PROTOCOL_WITH_EVIDENCE, network.publicKeyHex)
  const hello = decodeFrames(sent.at(-1) ?? new Uint8Array()).map(({ payload }) => decodeJson(payload))
  assert.deepEqual(hello, [{ kind: 'hello', last: { chain, number: 2, hash }, signature }])
})

test('results and requests of one connection have a chain each, and neither is disputed for the other', async () => {
  const { connected, made, task, request, offerOf, said, run } = setup({ hasBook: true })
  const files = [{ name: 'a', bytes: 1, sha256: 'a' }]
  const { streams, digest } = connected()
  made(7, files)
  made(8, files)
  const tasks = [7, 8].map((fence) => task(fence, filesDigest(digest, files)))
  const own = request(new Uint8Array([1]))
  streams.receive(offerOf('tasks', { from: 1, texts: tasks.slice(0, 1), all: tasks }))
  streams.receive(offerOf('requests', { from: 1, texts: [own], all: [own] }))
  streams.receive(offerOf('tasks', { from: 2, texts: tasks.slice(1), all: tasks }))
  await run(1_000)
  assert.deepEqual(
    said().map((one) => one.kind === 'signed' && one.disputes),
    [[], [], []],
  )
})

test('what a process before it left unsigned is not held against a connection that is over and has the number of its session', async () => {
  for (const [input, disputes] of [
    [9, [{ number: 1, why: 'unknown' }]],
    [1, []],
  ] as const) {
    const { connected, request, offerOf, said, run } = setup({ hasBook: true })
    connected(1)
    const { streams } = connected(2)
    const texts = [request(new Uint8Array([input]))]
    streams.receive(offerOf('requests', { from: 1, texts, all: texts, isLeft: true }))
    await run(1_000)
    assert.deepEqual(
      said().map((one) => one.kind === 'signed' && one.disputes),
      [disputes],
    )
  }
})

test('of its own connection it signs nothing behind receipts that it has not signed', async () => {
  const { connected, task, offerOf, said, run } = setup({ hasBook: true })
  const { streams, digest } = connected()
  const tasks = [7, 8].map((fence) => task(fence, digest('output')))
  streams.receive(offerOf('tasks', { from: 2, texts: tasks.slice(1), all: tasks }))
  await run(1_000)
  assert.deepEqual(
    said().map((one) => one.kind === 'refused' && [one.number, one.why]),
    [[2, 'chain']],
  )
})

const frame = (type: FrameType): Frame => ({ type, flags: 0, stream: 0, payload: new Uint8Array() })

function setup({ hasBook }: { hasBook: boolean }) {
  const world = createTestWorld()
  const { host } = world.machine('agent')
  const keys = simCrypto.keyPair(new Uint8Array(32).fill(1))
  const book = hasBook ? openReceiptBook(host) : undefined
  const receipts = createReceiptLink(host, { nodeId: 'node', keys, book })
  const heard: number[] = []
  const sent: Uint8Array[] = []
  const streams = {
    receive: ({ type }: Frame) => void heard.push(type),
    count: () => 0,
    onIdle: () => {},
    close: () => {},
  }
  const link = {
    send: (message: Uint8Array) => void sent.push(message),
    bufferedBytes: () => 0,
    close: () => {},
  }
  const digest = digestOf(simCrypto)
  const network = simCrypto.keyPair(new Uint8Array(32).fill(2))
  return {
    heard,
    sent,
    run: world.run,
    made: receipts.made,
    task: (fence: number, output: string) =>
      receiptText({
        ...{ kind: 'task', node: 'node', job: 'job', step: 0, task: 0, fence, files: 1, outputBytes: 1 },
        ...{ wallMs: 1, output, atMs: 1 },
      }),
    /** Of the first stream, which nothing came of. */
    request: (input: Uint8Array) =>
      receiptText({
        ...{
          kind: 'part',
          node: 'node',
          request: 'req_1',
          model: 'tiny',
          call: 'chat',
          stream: 1,
          payer: 'p',
        },
        ...{ promptTokens: 0, completionTokens: 0, promptPerMillion: 1n, completionPerMillion: 1n },
        ...{ input: digest(input), output: outputDigest(digest, 'salt', ''), outputBytes: 0, atMs: 1 },
      }),
    /** A connection of a network that proved its key, with one request on it. */
    connected(session = 1) {
      const connection = { link, protocol: PROTOCOL_WITH_EVIDENCE, session, networkKey: network.publicKeyHex }
      receipts.watch(connection)?.begin(1, new Uint8Array([1]), { salt: 'salt' })
      return { streams: receipts.open(streams, connection), digest }
    },
    /** Receipts `texts` from number `from` on, of a chain of this connection that has `all`. */
    offerOf(
      of: ChainFacts['of'],
      run: { from: number; texts: string[]; all: string[]; isLeft?: boolean },
    ): Frame {
      const facts: ChainFacts = {
        ...{ of, network: network.publicKeyHex, node: 'node', nodeKey: keys.publicKeyHex, gateway: 'g' },
        ...{ session: 1, nonce: '0'.repeat(32), previous: null },
      }
      const chain = chainId(digest, facts)
      const links = linksOf(digest, { chain, from: 1, before: chain, texts: run.all })
      const number = run.from + run.texts.length - 1
      const [before = chain, hash = chain] = [links[run.from - 2], links[number - 1]]
      const head = new TextEncoder().encode(networkHeadText({ chain, number, hash }))
      const signature = Buffer.from(simCrypto.sign(network.privateKeyHex, head)).toString('hex')
      const offer = {
        kind: 'offer',
        chain,
        from: run.from,
        before,
        receipts: run.texts,
        facts: run.isLeft ? null : facts,
        hash,
        signature,
      }
      const payload = new TextEncoder().encode(JSON.stringify({ ...offer, session: 1 }))
      return { ...frame(FrameType.receipts), payload }
    },
    /** All but its greeting. */
    said: () =>
      sent
        .flatMap((message) => decodeFrames(message).map(({ payload }) => decodeJson(payload) as ReceiptsSay))
        .filter(({ kind }) => kind !== 'hello'),
    watch: (networkKey: string) =>
      receipts.watch({ link, protocol: PROTOCOL_WITH_EVIDENCE, session: 1, networkKey }),
    open: (protocol: number, networkKey: string | null) =>
      receipts.open(streams, { link, protocol, session: 1, networkKey }),
  }
}

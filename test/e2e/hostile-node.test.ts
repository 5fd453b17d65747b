/** A node that an attacker wrote: whatever it sends, callers get well-formed answers, nobody else is harmed, and it earns nothing by it. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { createRandom, type Random } from '#kernel/random.ts'
import { encodeDataFrame, encodeFrame, FLAG_IDS_UNKNOWN, FrameType } from '#protocol/frame.ts'
import { proveBooks, settle } from './books.ts'
import { enrolHostile, type HostileAsk, type HostileNode } from './hostile-agent.ts'
import { until } from './process-group.ts'
import { type Network, openRig, startNetwork } from './rig.ts'
import { openStrict, type StrictConnection, type StrictReply } from './strict-http.ts'

/** Requests of the property test; `SHOAL_HOSTILE_ROUNDS` asks for more. */
const ROUNDS = Number(process.env['SHOAL_HOSTILE_ROUNDS'] ?? 120)
const MAX_TOKENS = 64

const rig = openRig()
let network: Network
let node: HostileNode
let wire: StrictConnection
after(async () => {
  node?.close()
  wire?.close()
  await rig.dispose()
})
before(async () => {
  network = await startNetwork(rig, rig.path('data'), [
    '--no-agent',
    ...['--node-proofs', 'off'],
    '--tokenizer',
    `counted=${rig.tinyPath()}`,
  ])
  node = await enrolHostile(network, { id: 'm' })
  await node.connect()
})
beforeEach(async () => {
  wire = await openStrict(Number(new URL(network.ready.apiUrl).port))
})

const splitters = [
  '\r\n0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi',
  '\n\ndata: [DONE]\n\n',
  'data: {"choices":[]}\n\n',
  '\u0000\u0001\u007f\u2028\u2029\ufeff\ufffd',
  '"}}]}\n\n',
  '👋🏽',
]

test('its text cannot leave the event that it is in', async () => {
  node.answer = ({ delta, end }) => {
    for (const text of splitters) delta(text, [1, 2, 3])
    end({ promptTokens: 1, completionTokens: 18 })
  }
  const reply = await stream()
  assert.equal(readEvents(reply).content, splitters.join(''))
  assert.equal(readEvents(reply).isDone, true)
  const { status, body } = await wire.ask({ method: 'GET', path: '/v1/models', key: network.ready.apiKey })
  assert.deepEqual([status, JSON.parse(body).object], [200, 'list'])
})

test('a problem that it tells cannot leave its JSON, nor can it choose any status', async () => {
  for (const code of ['invalid_api_key', 'not\r\nknown', 'node_failed']) {
    let asks = 0
    node.answer = ({ sendJson, end }) => {
      if (asks++ > 0) return end({ promptTokens: 1, completionTokens: 0 })
      sendJson(FrameType.problem, { code, message: `no\r\n\r\n0\r\n\r\n${'x'.repeat(900)}` })
      void node.connect()
    }
    const reply = await stream()
    assert.ok(reply.status === 200 || reply.status >= 500, `${code}: ${reply.status}`)
  }
})

test('after its first token it can no longer say that the request is wrong: the answer ends in an error, with no [DONE]', async () => {
  node.answer = ({ delta, sendJson }) => {
    delta('Hel')
    sendJson(FrameType.problem, { code: 'invalid_request', message: 'you are wrong' })
  }
  const { isDone, error, content } = readEvents(await stream())
  assert.deepEqual([isDone, content, error?.code], [false, 'Hel', 'node_failed'])
})

test('what callers do wrong does not count against it', async () => {
  let asks = 0
  node.answer = ({ sendJson, delta, end }) => {
    if (asks++ < 12) return sendJson(FrameType.problem, { code: 'invalid_request', message: 'no' })
    delta('yes')
    end({ promptTokens: 1, completionTokens: 1 })
  }
  for (let call = 0; call < 12; call++) assert.equal((await stream()).status, 400)
  assert.equal(readEvents(await stream()).content, 'yes')
  assert.equal(asks, 13)
})

test('padding, text beyond its tokens, log probabilities and calls that nobody asked for end the answer, not the gateway', async () => {
  const acts: readonly ((ask: HostileAsk) => void)[] = [
    ({ delta }) => {
      for (let at = 0; at < 600; at++) delta('')
    },
    ({ stream: id, send }) => {
      for (let at = 0; at < 40; at++)
        send(encodeDataFrame(id, { text: 'x'.repeat(60_000), tokenIds: [], tokenCount: 0 }))
    },
    ({ sendJson, delta }) => {
      sendJson(FrameType.detail, { logprobs: [{ token: 'a', bytes: null, logprob: 0, top: [] }] })
      delta('a')
    },
    ({ sendJson, delta }) => {
      sendJson(FrameType.detail, { toolCalls: [{ index: 100, arguments: '{}' }] })
      delta('')
    },
    ({ sendJson }) => sendJson(FrameType.embedding, { vectors: [[1]] }),
  ]
  for (const act of acts) {
    node.answer = (ask) => {
      ask.delta('Hel')
      act(ask)
    }
    const { isDone, error } = readEvents(await stream({ maxTokens: 1_000 }))
    assert.deepEqual([isDone, error?.code], [false, 'node_failed'])
  }
})

test('a claim beyond what its text can have is cut, for prompt and answer', async () => {
  node.answer = ({ delta, end }) => {
    delta(
      'hello',
      Array.from({ length: 60 }, () => 7),
    )
    end({ promptTokens: 1_000_000, completionTokens: 60 })
  }
  const { usage } = readEvents(await stream())
  assert.ok((usage?.completion_tokens ?? 99) <= 5 + 16, `${usage?.completion_tokens} tokens`)
  assert.ok((usage?.prompt_tokens ?? 9_999) < 600, `${usage?.prompt_tokens} tokens of the prompt`)
})

test('where the gateway has the vocabulary it pays for no more tokens than it counts itself', async () => {
  const counted = await enrolHostile(network, { id: 'counted' })
  await counted.connect()
  const claim = async (text: string, ids: readonly number[]) => {
    counted.answer = ({ delta, end }) => {
      delta(text, ids)
      end({ promptTokens: 1_000_000, completionTokens: ids.length })
    }
    return readEvents(await stream({ model: 'counted' })).usage
  }
  // The vocabulary takes a moment to be there, and until then only bounds hold.
  await until('answers to be counted', async () => ((await claim('warm', [7]))?.prompt_tokens ?? 9_999) < 100)
  for (const [text, ids, most] of [
    // One token each in this vocabulary, whatever is claimed.
    ['the and you', Array.from({ length: 11 }, () => 7), 0],
    ['\ufffd', Array.from({ length: 19 }, () => 260), 4],
  ] as const) {
    const usage = await claim(text, ids)
    if (most > 0) assert.ok((usage?.completion_tokens ?? 99) <= most, `${text}: ${usage?.completion_tokens}`)
    assert.ok((usage?.prompt_tokens ?? 9_999) < 100)
  }
  counted.close()
})

test('whatever it sends, each reply is one well-formed reply, what follows on the connection is too, and the books balance', async () => {
  const random = createRandom(20_261_122)
  for (let round = 0; round < ROUNDS; round++) {
    const script = drawScript(random)
    let asks = 0
    const said: string[] = []
    node.answer = (ask) => {
      if (asks++ === 0) script(ask, said)
      else {
        ask.delta('honest', [1])
        ask.end({ promptTokens: 1, completionTokens: 1 })
      }
      // It may have been thrown out: then it comes back.
      setTimeout(() => void node.connect().catch(() => undefined), 20)
    }
    if (!wire.isOpen()) wire = await openStrict(Number(new URL(network.ready.apiUrl).port))
    const reply = await stream()
    const { content, isDone, error, usage } = readEvents(reply)
    assert.ok(isDone !== (error !== null) || reply.status !== 200, `round ${round}: an end or an error`)
    const honest = content.endsWith('honest') ? content.slice(0, -'honest'.length) : content
    assert.ok(said.join('').startsWith(honest), `round ${round}: ${JSON.stringify(content)} was said`)
    assert.ok((usage?.completion_tokens ?? 0) <= MAX_TOKENS)
    if (!wire.isOpen()) continue
    const next = await wire.ask({ method: 'GET', path: '/v1/models', key: network.ready.apiKey })
    assert.deepEqual([next.status, JSON.parse(next.body).object], [200, 'list'])
  }
  const usage = await settle(network, 0)
  await proveBooks(network.operator, usage)
})

type Script = (ask: HostileAsk, said: string[]) => void

/** Some frames, most of them wrong. */
function drawScript(random: Random): Script {
  const acts = Array.from({ length: 1 + random.int(5) }, () => drawAct(random))
  return (ask, said) => {
    for (const act of acts) act(ask, said)
  }
}

function drawAct(random: Random): Script {
  const pick = <T>(items: readonly T[]): T => items[random.int(items.length)] as T
  const number = (): number => pick([-1, 0, 1, 63, 64, 65, 1e9, 2 ** 53, 1.5, Number.NaN])
  const text = pick(splitters)
  switch (random.int(12)) {
    case 0:
    case 1:
    case 2:
      return ({ delta }, said) => {
        said.push(text)
        delta(text, [1])
      }
    case 3:
      return ({ send, stream: id }) =>
        send(encodeFrame(FrameType.data, id, Buffer.from([0, 1, 0xed, 0xa0, 0x80]), FLAG_IDS_UNKNOWN))
    case 4:
      return ({ send }, said) => {
        const other = 1 + random.int(9)
        said.push('')
        send(encodeDataFrame(1_000_000 + other, { text: 'for another', tokenIds: [1], tokenCount: 1 }))
      }
    case 5:
      return ({ sendJson }) =>
        sendJson(FrameType.end, { finishReason: 'stop', promptTokens: number(), completionTokens: number() })
    case 6:
      return ({ sendJson }) => sendJson(FrameType.started, { promptTokens: number() })
    case 7:
      return ({ sendJson }) =>
        sendJson(
          FrameType.detail,
          pick<unknown>([{ logprobs: 7 }, { toolCalls: [{ index: -1 }] }, [], null, {}]),
        )
    case 8:
      return ({ send, stream: id }) =>
        send(
          Buffer.concat([encodeFrame(random.int(256) as FrameType, id, Buffer.from(text)), Buffer.from([1])]),
        )
    case 9:
      return ({ sendJson }) =>
        sendJson(FrameType.problem, { code: pick(['invalid_request', 'queue_full', text]), message: text })
    case 10:
      return ({ delta }) =>
        delta(
          '',
          Array.from({ length: random.int(70) }, () => random.int(1e6)),
        )
    default:
      return ({ end, delta }, said) => {
        end({ promptTokens: 1, completionTokens: 1 })
        said.push('')
        delta('after the end')
      }
  }
}

function stream({ model = 'm', maxTokens = MAX_TOKENS } = {}): Promise<StrictReply> {
  return wire.ask({
    method: 'POST',
    path: '/v1/chat/completions',
    key: network.ready.apiKey,
    body: {
      model,
      messages: [{ role: 'user', content: 'hi' }],
      max_tokens: maxTokens,
      stream: true,
      stream_options: { include_usage: true },
    },
  })
}

interface Events {
  readonly content: string
  readonly isDone: boolean
  readonly error: { readonly code: string } | null
  readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number } | null
}

/** Asserts that the body is whole events of JSON and, at most as the last of them, `[DONE]`. */
function readEvents({ status, body }: StrictReply): Events {
  if (status !== 200) return { content: '', isDone: false, error: JSON.parse(body).error, usage: null }
  assert.ok(body.endsWith('\n\n'), 'the last event is whole')
  const events = body.slice(0, -2).split('\n\n')
  let [content, isDone] = ['', false]
  let error: Events['error'] = null
  let usage: Events['usage'] = null
  for (const event of events) {
    assert.ok(!isDone && error === null, 'nothing follows the end')
    assert.match(event, /^data: [^\r\n]+$/)
    if (event === 'data: [DONE]') {
      isDone = true
      continue
    }
    const value = JSON.parse(event.slice('data: '.length))
    error = value.error ?? null
    usage = value.usage ?? usage
    content += value.choices?.[0]?.delta?.content ?? ''
  }
  return { content, isDone, error, usage }
}

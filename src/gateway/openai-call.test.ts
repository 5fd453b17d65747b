import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EngineRequest } from '#protocol/engine-request.ts'
import { encodeJsonFrame, FrameType } from '#protocol/frame.ts'
import { Problem } from '#protocol/problem.ts'
import { type CallKind, readCall } from './openai-call.ts'

test('a tier says what a request goes before: priority before all, flex behind all, the others as usual', () => {
  for (const [tier, priority] of [
    ['priority', 'interactive'],
    ['flex', 'bulk'],
    ['auto', undefined],
    ['default', undefined],
    [null, undefined],
  ] as const) {
    const asked = readChat({ service_tier: tier })
    assert.ok(!(asked instanceof Problem))
    assert.equal(asked.priority, priority, `${tier}`)
  }
})

test('a tier that there is not is refused by name', () => {
  const asked = readChat({ service_tier: 'gold' })
  assert.ok(asked instanceof Problem)
  assert.deepEqual([asked.status, asked.details['param']], [400, 'service_tier'])
})

test('numbers that are short to write and long to read are refused by name, as no frame holds them', () => {
  // As a body has them: `JSON.stringify` would write out all of their digits.
  const numbers = `{"type":"object","x-a":[${Array(40_000).fill('1e20').join(',')}]}`
  const tool = (index: number) =>
    `{"type":"function","function":{"name":"f${index}","parameters":${numbers}}}`
  const tools = `"tools":[${Array.from({ length: 19 }, (_, index) => tool(index)).join(',')}]`
  const chat = `{"model":"m","messages":[{"role":"user","content":"hi"}],${tools}}`
  assert.ok(chat.length < 4 * 1024 * 1024)
  const response = `{"model":"m","input":"hi",${tools.replaceAll('"function":{', '').replaceAll('}}', '}')}}`
  for (const [kind, body] of [
    ['chat', chat],
    ['response', response],
  ] as const) {
    const asked = readText(kind, body)
    assert.ok(asked instanceof Problem, kind)
    assert.deepEqual([asked.status, asked.details['param']], [400, 'tools'], asked.message)
  }
})

test('a body of text as long as may be is let in, and fits in a frame', () => {
  const content = '\n"é'.repeat(850_000)
  const asked = readChat({ messages: [{ role: 'user', content }] })
  assert.ok(!(asked instanceof Problem), asked instanceof Problem ? asked.message : '')
  encodeJsonFrame(FrameType.request, 1, asked.asks[0]?.engine)
})

test('choices have seeds of their own, and of the largest ones too every node reads them', () => {
  for (const seed of [0, -5, Number.MAX_SAFE_INTEGER - 1, Number.MAX_SAFE_INTEGER]) {
    const asked = readChat({ seed, n: 4 })
    assert.ok(!(asked instanceof Problem))
    const seeds = asked.asks.map(({ engine }) => {
      const read = EngineRequest.parse(engine)
      return read.kind === 'embedding' ? undefined : read.sampling.seed
    })
    assert.deepEqual([seeds[0], new Set(seeds).size], [seed, 4])
  }
})

const readChat = (part: object) =>
  readText('chat', JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi' }], ...part }))

const readText = (kind: CallKind, body: string) =>
  readCall({ kind, requestId: 'req_1', body: new TextEncoder().encode(body) }, () => 4_096)

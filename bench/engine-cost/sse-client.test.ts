import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { askForStream, createEventReader } from './sse-client.ts'

const chunk = (content: string): string =>
  `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`
const usage = `data: ${JSON.stringify({ choices: [], usage: { completion_tokens: 2 } })}\n\n`
const whole = `${chunk('')}${chunk('fish ')}${chunk('swim')}${usage}data: [DONE]\n\n`

test('events are the same wherever the text between them is cut', () => {
  for (let at = 0; at <= whole.length; at++) {
    const reader = createEventReader()
    reader.push(whole.slice(0, at))
    reader.push(whole.slice(at))
    const { pieces, completionTokens, isDone, rest } = reader
    assert.deepEqual([pieces, completionTokens, isDone, rest], [['fish ', 'swim'], 2, true, ''])
  }
})

test('a whole answer has its pieces and the usage that it was told', async (t) => {
  const ask = await setup(t, { body: whole })
  assert.deepEqual(await ask(), { pieces: ['fish ', 'swim'], completionTokens: 2 })
})

const broken: readonly (readonly [name: string, answer: Answer, message: RegExp])[] = [
  ['is refused', { status: 429, body: '{"error":{}}' }, /429/],
  ['ends before it is done', { body: whole.replace('data: [DONE]\n\n', '') }, /not whole/],
  ['has no usage', { body: whole.replace(usage, '') }, /not whole/],
  ['is no stream of chunks', { body: 'data: {"x":1}\n\n' }, /choices/],
  ['tells of an error', { body: `${chunk('a')}data: {"choices":[],"error":{"message":"lost"}}\n\n` }, /lost/],
]
for (const [name, answer, message] of broken) {
  test(`an answer that ${name} is no answer`, async (t) => {
    const ask = await setup(t, answer)
    await assert.rejects(ask, message)
  })
}

interface Answer {
  readonly status?: number
  readonly body: string
}

async function setup(t: TestContext, { status = 200, body }: Answer) {
  const agent = new Agent()
  const server = createServer((request, response) => {
    request.resume()
    response.writeHead(status).end(body)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => {
    agent.destroy()
    server.closeAllConnections()
    server.close()
  })
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  return () => askForStream({ baseUrl, apiKey: 'key', body: { model: 'm' }, agent })
}

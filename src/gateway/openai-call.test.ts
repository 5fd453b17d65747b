import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '#protocol/problem.ts'
import { readCall } from './openai-call.ts'

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

function readChat(part: object) {
  const body = { model: 'm', messages: [{ role: 'user', content: 'hi' }], ...part }
  return readCall(
    { kind: 'chat', requestId: 'req_1', body: new TextEncoder().encode(JSON.stringify(body)) },
    () => 4_096,
  )
}

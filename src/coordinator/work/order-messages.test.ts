import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type TaskGrant, WorkOrders } from '#protocol/work-link.ts'
import { orderMessages } from './order-messages.ts'

test('orders leave in messages that a bus takes, and a grant of very many files in pages', () => {
  const { messages, tooLong } = orderMessages(orders(9_000), { takesPages: true })
  assert.ok(messages.every((message) => Buffer.byteLength(message) < 900_000))
  assert.deepEqual(tooLong, [])
  const told = toldIn(messages)
  assert.deepEqual([told[0]?.order.kind, told.length > 4], ['who', true])
  let from = 0
  for (const { order, page } of told.slice(1)) {
    assert.ok(order.kind === 'grant')
    assert.deepEqual(page, { from, of: 9_000 })
    from += order.files.length
  }
  assert.equal(from, 9_000)
  assert.equal(orderMessages(orders(5), { takesPages: true }).messages.length, 1)
})

test('a gateway that does not put pages together gets a grant whole, as long as a bus takes it', () => {
  const { messages, tooLong } = orderMessages(orders(2_000), { takesPages: false })
  assert.deepEqual(tooLong, [])
  assert.ok(messages.every((message) => Buffer.byteLength(message) <= 1_000_000))
  const [who, whole, ...others] = toldIn(messages)
  assert.deepEqual([who?.order.kind, others], ['who', []])
  assert.ok(whole?.order.kind === 'grant')
  assert.deepEqual([whole.order.files.length, whole.page], [2_000, undefined])
})

test('a grant of more files than it can be told of is named, and what else there is is told', () => {
  const { messages, tooLong } = orderMessages(orders(9_000), { takesPages: false })
  assert.deepEqual(
    tooLong.map(({ nodeId, grant: { fence, files } }) => [nodeId, fence, files.length]),
    [['node_2', 7, 9_000]],
  )
  assert.deepEqual(
    toldIn(messages).map(({ order }) => order.kind),
    ['who'],
  )
})

const toldIn = (messages: readonly string[]): WorkOrders['orders'] =>
  messages.flatMap((message) => WorkOrders.parse(JSON.parse(message)).orders)

function orders(count: number): WorkOrders['orders'] {
  const files = Array.from({ length: count }, (_, at) => ({
    ...{ path: `frames/${'é'.repeat(at % 300)}${at}.png`, bytes: 1, sha256: 'bb'.repeat(32) },
  }))
  return [
    { nodeId: 'node_1', order: { kind: 'who' } },
    { nodeId: 'node_2', order: { ...grant, files } },
  ]
}

const grant: TaskGrant = {
  ...{ kind: 'grant', fence: 7, jobId: 'job_1', organisationId: 'org', step: 0, task: 0 },
  ...{ engine: 'blender', settings: {}, params: {}, inputRoot: null, files: [], estimateMs: 1_000 },
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type TaskGrant, WorkOrders } from '#protocol/work-link.ts'
import { orderMessages } from './order-messages.ts'

test('orders leave in messages that a bus takes, and a grant of very many files in pages', () => {
  const files = Array.from({ length: 9_000 }, (_, at) => ({
    ...{ path: `frames/${'é'.repeat(at % 300)}${at}.png`, bytes: 1, sha256: 'bb'.repeat(32) },
  }))
  const orders = [
    { nodeId: 'node_1', order: { kind: 'who' } as const },
    { nodeId: 'node_2', order: { ...grant, files } },
  ]
  const messages = orderMessages(orders)
  assert.ok(messages.every((message) => Buffer.byteLength(message) < 900_000))
  const told = messages.flatMap((message) => WorkOrders.parse(JSON.parse(message)).orders)
  assert.deepEqual([told[0]?.order.kind, told.length > 4], ['who', true])
  let from = 0
  for (const { order, page } of told.slice(1)) {
    assert.ok(order.kind === 'grant')
    assert.deepEqual(page, { from, of: 9_000 })
    from += order.files.length
  }
  assert.equal(from, 9_000)
  assert.equal(orderMessages([{ nodeId: 'node_1', order: { ...grant, files: files.slice(0, 5) } }]).length, 1)
})

const grant: TaskGrant = {
  ...{ kind: 'grant', fence: 7, jobId: 'job_1', organisationId: 'org', step: 0, task: 0 },
  ...{ engine: 'blender', settings: {}, params: {}, inputRoot: null, files: [], estimateMs: 1_000 },
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { UsageRecord } from '#protocol/usage.ts'
import { createGatewayMetrics, MODELS_MAX } from './gateway-metrics.ts'

test('models beyond a number count together, so that names cannot fill the memory of whoever scrapes', () => {
  const { telemetry, families } = setup()
  for (let number = 0; number < 3 * MODELS_MAX; number++) {
    telemetry.onOutcome(record({ model: `model-${number}` }))
    telemetry.onToken(`model-${number}`, 1, 20, 'node_1')
  }
  const labels = [...families.requests.all()].map(([[model]]) => model)
  assert.equal(labels.length, MODELS_MAX + 1)
  assert.equal(families.requests.of('other', 'vetted', 'completed').value, 2 * MODELS_MAX)
  assert.equal(families.streamedTokens.of('other', 'vetted').value, 2 * MODELS_MAX)
})

test('tokens that came together share their pause', () => {
  const { telemetry, families } = setup()
  telemetry.onToken('m', 1, 0, 'node_1')
  telemetry.onToken('m', 4, 200, 'node_1')
  telemetry.onToken('m', 0, 50, 'node_1')
  const series = families.interToken.of('m', 'vetted')
  assert.equal(series.count, 4)
  assert.equal(series.sum, 0.2)
  assert.equal(families.streamedTokens.of('m', 'vetted').value, 5)
})

test('all tokens of an answer but its first one count, also those that came together with it', () => {
  const { telemetry, families } = setup()
  telemetry.onToken('m', 3, 0, 'node_1')
  telemetry.onToken('m', 2, 40, 'node_1')
  const series = families.interToken.of('m', 'vetted')
  assert.deepEqual([series.count, series.sum], [4, 0.04])
})

test('each node’s tokens count for its own class', () => {
  const { telemetry, families } = setup()
  const parts = [part('node_1', 0, 3), part('node_2', 10, 4)]
  telemetry.onOutcome(record({ parts }))
  assert.equal(families.tokens.of('m', 'vetted', 'completion').value, 3)
  assert.equal(families.tokens.of('m', 'community', 'completion').value, 4)
  assert.equal(families.tokens.of('m', 'community', 'prompt').value, 10)
  assert.equal(families.requests.of('m', 'community', 'completed').value, 1)
})

test('a request that found no node has no class', () => {
  const { telemetry, families } = setup()
  telemetry.onOutcome(record({ outcome: 'failed', parts: [] }))
  assert.equal(families.requests.of('m', 'none', 'failed').value, 1)
})

test('a node that is ejected twice is ejected once', () => {
  const { telemetry, families } = setup()
  const event = { model: 'm', nodeId: 'node_1', reason: 'failures', forMs: 1 } as const
  telemetry.onEjected(event)
  telemetry.onEjected(event)
  telemetry.onReadmitted(event)
  telemetry.onReadmitted(event)
  assert.equal(families.ejected.of('m').value, 0)
  assert.equal(families.ejections.of('m', 'failures').value, 2)
})

const part = (nodeId: string, promptTokens: number, completionTokens: number) => ({
  ...{ nodeId, promptTokens, completionTokens },
  ...{ promptPerMillion: 1_000_000n, completionPerMillion: 1_000_000n },
})

const record = (members: Partial<UsageRecord>): UsageRecord => ({
  ...{
    requestId: 'req_1',
    organisationId: 'org_1',
    keyId: 'key_1',
    holdId: 'hold_1',
    model: 'm',
    kind: 'chat',
  },
  ...{ outcome: 'completed', parts: [part('node_1', 5, 7)], startedAtMs: 0, firstTokenMs: 10, totalMs: 110 },
  ...members,
})

const setup = () => createGatewayMetrics((nodeId) => (nodeId === 'node_1' ? 'vetted' : 'community'))

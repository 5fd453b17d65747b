import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EngineRequest } from '#protocol/engine-request.ts'
import type { UsageRecord } from '#protocol/usage.ts'
import { type CallEntry, createCallLog } from './call-log.ts'

test('a line comes once the answer has left and its requests have ended, whichever is later', () => {
  const answered = setup()
  answered.begin()
  answered.log.telemetry.onOutcome?.(record())
  assert.equal(answered.entries.length, 0)
  answered.log.onClosed('req_1', { isFinished: true, bytes: 10 })
  assert.equal(answered.entries.length, 1)
  // Whoever leaves early is gone before its request has ended.
  const left = setup()
  left.begin()
  left.log.onClosed('req_1', { isFinished: false, bytes: 3 })
  assert.equal(left.entries.length, 0)
  left.log.telemetry.onOutcome?.(record({ outcome: 'cancelled' }))
  assert.deepEqual(
    left.entries.map(({ outcome, bytes, costNanoUsd }) => [outcome, bytes, costNanoUsd]),
    [['cancelled', 3, '12']],
  )
})

test('the choices of one call are one line, with what they took together', () => {
  const { log, entries, begin } = setup()
  begin()
  log.onRequest('req_1', engine('req_2'))
  log.telemetry.onAdmitted?.({ ...of('req_2'), organisationId: 'org_1', priority: 'default' })
  log.telemetry.onOutcome?.(record({ firstTokenMs: 30 }))
  log.telemetry.onOutcome?.(record({ requestId: 'req_2', firstTokenMs: 20, outcome: 'failed', parts: [] }))
  log.onClosed('req_1', { isFinished: true, bytes: 10 })
  assert.equal(entries.length, 1)
  assert.equal(entries[0]?.completionTokens, 7)
  assert.equal(entries[0]?.firstTokenMs, 20)
  assert.equal(entries[0]?.outcome, 'failed')
})

test('a refused call has a line with its code', () => {
  const { log, entries } = setup()
  log.onCall(call)
  log.onAnswer('req_1', { status: 401, code: 'invalid_api_key' })
  log.onClosed('req_1', { isFinished: true, bytes: 100 })
  assert.deepEqual(
    entries.map(({ status, code, outcome, organisationId }) => [status, code, outcome, organisationId]),
    [[401, 'invalid_api_key', 'refused', null]],
  )
})

test('a request that came by no call has a line of its own', () => {
  const { log, entries } = setup()
  log.telemetry.onAdmitted?.({ ...of('req_9'), organisationId: 'org_1', priority: 'bulk' })
  log.telemetry.onOutcome?.(record({ requestId: 'req_9' }))
  assert.deepEqual(
    entries.map(({ requestId, path, model }) => [requestId, path, model]),
    [['req_9', null, 'm']],
  )
})

test('prompts are there only where they are asked for, and cut where they are long', () => {
  const without = setup()
  without.begin()
  without.finish()
  assert.ok(!JSON.stringify(without.entries).includes('secret'))
  const withThem = setup({ hasPrompts: true })
  withThem.begin()
  withThem.finish()
  const { prompt } = withThem.entries[0] as CallEntry
  assert.match(prompt ?? '', /^\[\{"role":"user","content":"secret /)
  assert.equal(prompt?.length, 32_768)
})

test('tries, waits and what was raced are counted', () => {
  const { log, entries, begin, finish } = setup()
  begin()
  const attempt = { ...of('req_1'), nodeId: 'node_1', isHedge: false }
  log.telemetry.onAttempt?.({ ...attempt, waitedMs: 5 })
  log.telemetry.onHedge?.({ ...attempt, nodeId: 'node_2', isHedge: true, result: 'started' })
  log.telemetry.onHedge?.({ ...attempt, result: 'lost' })
  log.telemetry.onFailover?.({ ...attempt, code: 'node_failed', hasBegun: true })
  log.telemetry.onAttempt?.({ ...attempt, waitedMs: 7 })
  finish()
  assert.deepEqual(
    entries.map(({ attempts, failovers, isHedged, waitedMs }) => [attempts, failovers, isHedged, waitedMs]),
    [[3, 1, true, 12]],
  )
})

const call = {
  ...{ requestId: 'req_1', method: 'POST', path: '/v1/chat/completions' },
  ...{ startedAtMs: 1_000, startedMs: 0, traceparent: undefined },
}
const of = (requestId: string) => ({ requestId, model: 'm' })

const engine = (requestId: string): EngineRequest => ({
  ...{ kind: 'chat', requestId, model: 'm', maxTokens: 10 },
  messages: [{ role: 'user', content: `secret ${'x'.repeat(50_000)}` }],
  sampling: { temperature: 1, topP: 1, stop: [], frequencyPenalty: 0, presencePenalty: 0 },
})

const record = (members: Partial<UsageRecord> = {}): UsageRecord => ({
  ...{
    requestId: 'req_1',
    organisationId: 'org_1',
    keyId: 'key_1',
    holdId: 'hold_1',
    model: 'm',
    kind: 'chat',
  },
  outcome: 'completed',
  parts: [
    {
      ...{ nodeId: 'node_1', promptTokens: 5, completionTokens: 7 },
      ...{ promptPerMillion: 1_000_000n, completionPerMillion: 1_000_000n },
    },
  ],
  ...{ startedAtMs: 0, firstTokenMs: 10, totalMs: 110 },
  ...members,
})

function setup({ hasPrompts = false } = {}) {
  const entries: CallEntry[] = []
  const log = createCallLog({
    ...{ hasPrompts, nowMs: () => 1_000, elapsedMs: () => 50 },
    write: (entry) => void entries.push(entry),
  })
  return {
    log,
    entries,
    begin() {
      log.onCall(call)
      log.onCaller('req_1', { keyId: 'key_1', organisationId: 'org_1' })
      log.onRequest('req_1', engine('req_1'))
      log.telemetry.onAdmitted?.({ ...of('req_1'), organisationId: 'org_1', priority: 'default' })
    },
    finish() {
      log.telemetry.onOutcome?.(record())
      log.onClosed('req_1', { isFinished: true, bytes: 1 })
    },
  }
}

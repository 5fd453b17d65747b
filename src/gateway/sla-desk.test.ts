import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { UsageRecord } from '#protocol/usage.ts'
import { createTestWorld } from '#sim/test-world.ts'
import type { RunRequest } from './run-request.ts'
import { createSlaDesk, TALLY_EVERY_MS } from './sla-desk.ts'
import { noTelemetry } from './telemetry.ts'

test('a reading gets the class of its request, and why it failed', () => {
  const { desk, telemetry } = setup()
  desk.begins(request('a'), false)
  telemetry.onFailed({ requestId: 'a', model: 'tiny', code: 'node_failed' })
  const { slaClass, problem, exempt } = desk.complete(reading('a', { outcome: 'failed' }))
  assert.deepEqual([slaClass, problem, exempt], ['business', 'node_failed', undefined])
})

test('a caller that leaves is told apart by when the first token was due', () => {
  const { desk } = setup()
  desk.begins(request('a', { promptTokensMax: 2_000 }), false)
  assert.equal(
    desk.complete(reading('a', { outcome: 'cancelled', firstTokenMs: null })).firstTokenDueMs,
    50_000,
  )
  desk.begins(request('b'), false)
  assert.equal(desk.complete(reading('b', { outcome: 'cancelled' })).firstTokenDueMs, undefined)
})

test('what a caller chose itself, what is free and what is of a batch is exempt, however it ends', () => {
  const { desk } = setup()
  const wishes = { sort: null, nodeClass: 'community', regions: null, keepsNoPrompts: false } as const
  const open = { promptPerMillionMax: null, completionPerMillionMax: null, only: null, ignore: null }
  for (const [more, isFree, expected] of [
    [{}, false, undefined],
    [{}, true, 'free'],
    [{ preferences: { ...wishes, ...open } }, false, undefined],
    [{ preferences: { ...wishes, ...open, only: new Set(['node_1']) } }, false, 'restricted'],
    [{ preferences: { ...wishes, ...open, promptPerMillionMax: 1n } }, false, 'restricted'],
    [{ batch: { keep: () => '' } }, false, 'batch'],
    // It may wait for ten minutes: leaving after thirty seconds is no failure of the network.
    [{ priority: 'bulk' }, false, 'batch'],
    [{ priority: 'interactive' }, false, undefined],
  ] as const) {
    for (const outcome of ['completed', 'failed', 'cancelled'] as const) {
      desk.begins(request('a', more), isFree)
      assert.equal(desk.complete(reading('a', { outcome })).exempt, expected)
    }
  }
})

test('speed is told of whole answers that no reader held up', () => {
  const { desk } = setup()
  desk.begins(request('a'), false)
  assert.equal(desk.complete(reading('a')).decodeMs, 900)
  desk.begins(request('b'), false)
  desk.heldUp('b')
  assert.equal(desk.complete(reading('b')).decodeMs, undefined)
})

test('what is under way and what was refused goes into the spool, and an idle gateway writes nothing', async () => {
  const { desk, told, run } = setup()
  await run(3 * TALLY_EVERY_MS)
  assert.equal(told.length, 0)
  desk.begins(request('a'), false)
  desk.begins(request('none', { slaClass: 'none' }), false)
  for (let index = 0; index < 3; index++) desk.refused(request(`r${index}`), 'overloaded', false)
  await run(TALLY_EVERY_MS)
  assert.deepEqual(
    told.map(({ tally }) => [tally?.open.map(({ requestId }) => requestId), tally?.refused]),
    [
      [
        ['a'],
        [{ organisationId: 'acme', slaClass: 'business', binStartMs: 0, problem: 'overloaded', count: 3 }],
      ],
    ],
  )
  await run(3 * TALLY_EVERY_MS)
  assert.equal(told.length, 1, 'the same is told once')
  desk.complete(reading('a'))
  await run(3 * TALLY_EVERY_MS)
  assert.deepEqual(
    told.map(({ tally }) => tally?.open.length),
    [1, 0],
  )
})

test('of more than is told each organisation has its oldest, so that one with many hides nobody’s', async () => {
  const { desk, told, run } = setup()
  for (let index = 0; index < 300; index++) desk.begins(request(`a${index}`), false)
  for (let index = 0; index < 3; index++) desk.begins(request(`b${index}`, { organisationId: 'bert' }), false)
  await run(TALLY_EVERY_MS)
  const open = told[0]?.tally?.open ?? []
  assert.deepEqual(
    open.filter(({ organisationId }) => organisationId === 'bert').map(({ requestId }) => requestId),
    ['b0', 'b1', 'b2'],
  )
  assert.equal(open.length, 256)
})

test('a model that only the caller offers makes no failure of the network, whether it was let in or not', async () => {
  const { desk, told, run } = setup()
  const engine = { kind: 'embedding' as const, requestId: 'a', model: 'mine', inputs: ['x'] }
  const exemptOf = (more: Partial<UsageRecord>) => {
    desk.begins(request('a', { engine }), false)
    return desk.complete(reading('a', { model: 'mine', ...more })).exempt
  }
  assert.equal(exemptOf({ outcome: 'failed' }), 'own_node')
  assert.equal(exemptOf({ outcome: 'completed' }), undefined)
  desk.refused(request('b', { engine }), 'no_node_available', false)
  desk.refused(request('c', { engine, organisationId: 'other' }), 'no_node_available', false)
  await run(TALLY_EVERY_MS)
  assert.deepEqual(
    told[0]?.tally?.refused.map(({ organisationId, exempt }) => [organisationId, exempt]),
    [
      ['acme', 'own_node'],
      ['other', undefined],
    ],
  )
})

test('a caller that leaves his own silent node when its first token is overdue makes no failure of the network', () => {
  const { desk } = setup()
  const engine = { kind: 'embedding' as const, requestId: 'a', model: 'mine', inputs: ['x'] }
  const exemptOf = (organisationId: string, totalMs: number) => {
    desk.begins(request('a', { engine, organisationId }), false)
    const left = { outcome: 'cancelled', firstTokenMs: null, totalMs } as const
    return desk.complete(reading('a', { model: 'mine', organisationId, ...left })).exempt
  }
  assert.equal(exemptOf('acme', 30_100), 'own_node')
  assert.equal(exemptOf('acme', 30_099), undefined, 'what was given up in time is an abort')
  assert.equal(exemptOf('other', 30_100), undefined)
})

test('what fails of a model that nobody offers any more is exempt, and what is answered or the caller’s own fault counts as ever', async () => {
  const { desk, telemetry, told, run } = setup()
  const engine = { kind: 'embedding' as const, requestId: 'a', model: 'gone', inputs: ['x'] }
  const exemptOf = (code: 'no_node_available' | 'funds_insufficient', more: Partial<UsageRecord>) => {
    desk.begins(request('a', { engine }), false)
    telemetry.onFailed({ requestId: 'a', model: 'gone', code })
    return desk.complete(reading('a', { model: 'gone', ...more })).exempt
  }
  assert.equal(exemptOf('no_node_available', { outcome: 'failed' }), 'unoffered')
  assert.equal(exemptOf('funds_insufficient', { outcome: 'failed' }), undefined)
  assert.equal(exemptOf('no_node_available', { outcome: 'completed' }), undefined)
  desk.refused(request('b', { engine }), 'model_loading', false)
  desk.refused(request('c', { engine }), 'model_not_found', false)
  desk.refused(request('d'), 'no_node_available', false)
  await run(TALLY_EVERY_MS)
  assert.deepEqual(
    told[0]?.tally?.refused.map(({ problem, exempt }) => [problem, exempt]),
    [
      ['model_loading', 'unoffered'],
      ['model_not_found', undefined],
      ['no_node_available', undefined],
    ],
  )
})

test('a refused request for a model that costs nothing is as free as one that was let in', async () => {
  const { desk, told, run } = setup()
  desk.refused(request('a'), 'unavailable', true)
  desk.begins(request('b'), true)
  desk.refused(request('b'), 'overloaded', true)
  await run(TALLY_EVERY_MS)
  assert.deepEqual(
    told[0]?.tally?.refused.map(({ problem, exempt }) => [problem, exempt]),
    [
      ['unavailable', 'free'],
      ['overloaded', 'free'],
    ],
  )
})

test('an earlier coordinator is told nothing that it would take for a reading', async () => {
  const { desk, told, run } = setup()
  desk.mayTell(false)
  desk.begins(request('a'), false)
  desk.refused(request('b'), 'overloaded', false)
  await run(3 * TALLY_EVERY_MS)
  assert.equal(told.length, 0)
})

function setup() {
  const world = createTestWorld()
  const { host } = world.machine('gateway')
  const told: UsageRecord[] = []
  const desk = createSlaDesk(host.clock, {
    gatewayId: 'gateway',
    run: '1',
    cellNowMs: () => 1_000,
    onlyOwner: (model) => (model === 'mine' ? 'acme' : null),
    offered: { isUnoffered: (model) => model === 'gone', look: () => undefined },
    append: (record) => void told.push(record),
  })
  desk.mayTell(true)
  return { desk, told, run: world.run, telemetry: desk.listening(noTelemetry) }
}

const request = (requestId: string, more: Partial<RunRequest> = {}): RunRequest => ({
  requestId,
  organisationId: 'acme',
  keyId: 'key',
  engine: { kind: 'embedding', requestId, model: 'tiny', inputs: ['x'] },
  promptTokensMax: 10,
  completionTokensMax: 10,
  slaClass: 'business',
  ...more,
})

const reading = (requestId: string, more: Partial<UsageRecord> = {}): UsageRecord => ({
  requestId,
  organisationId: 'acme',
  keyId: 'key',
  holdId: '',
  model: 'tiny',
  kind: 'chat',
  outcome: 'completed',
  parts: [],
  startedAtMs: 0,
  firstTokenMs: 100,
  totalMs: 1_000,
  ...more,
})

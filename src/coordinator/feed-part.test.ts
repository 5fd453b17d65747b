import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DAY_MS } from '#kernel/time.ts'
import { FollowReply } from '#protocol/cell.ts'
import { jsonWriter } from '#protocol/wire-form.ts'
import { createTestWorld, foundCell, PAYER } from '#sim/test-world.ts'
import { openCoordinator } from './coordinator.ts'
import { createFeed, type Feed } from './feed.ts'
import { PART_BYTES } from './feed-part.ts'
import type { Turn } from './turn.ts'

const COUNT = 10_000
/** What a NATS server takes unless it is told otherwise. */
const MESSAGE_BYTES = 1024 * 1024
const write = jsonWriter(FollowReply)

test('10,000 nodes and 10,000 keys are told in parts that a stock server takes, each once', async () => {
  const { feed } = await setup()
  const replies = await everything(feed)
  const bytes = replies.map((reply) => Buffer.byteLength(write({ ...reply, wantsPresence: false })))
  assert.ok(Math.max(...bytes) < MESSAGE_BYTES / 2, `the longest has ${Math.max(...bytes)} bytes`)
  assert.ok(replies.length > 10 && replies.length < 40, `${replies.length} parts`)
  assert.ok(replies.every(({ isComplete }) => isComplete))
  assert.deepEqual(
    replies.map(({ models }) => models !== undefined),
    replies.map((_, index) => index === 0),
  )
  assert.equal(new Set(replies.flatMap(({ nodes }) => nodes.map(({ id }) => id))).size, COUNT)
  assert.equal(new Set(replies.flatMap(({ keys }) => keys.map(({ id }) => id))).size, COUNT)
  assert.equal(replies.flatMap(({ nodes, keys }) => [...nodes, ...keys]).length, 2 * COUNT)
})

test('a gateway of an earlier release is told everything at once', async () => {
  const { feed } = await setup(300)
  const { nodes, keys, next } = feed.since({ epoch: 0, version: 0 })
  assert.deepEqual([nodes.length, keys.length, next], [300, 300, undefined])
})

test('keys that ended are no part of everything', async () => {
  const { feed, take } = await setup(3)
  take((turn) =>
    turn.organisations({ kind: 'revoke_key', keyId: idOf(1), organisationId: PAYER, nowMs: turn.nowMs }),
  )
  for (const from of ['', undefined])
    assert.deepEqual(
      feed.since({ epoch: 0, version: 0, from }).keys.map(({ id }) => id),
      [idOf(0), idOf(2)],
    )
})

test('what changes while parts are read is told after them', async () => {
  const { feed, take } = await setup(2_000)
  const first = feed.since({ epoch: 0, version: 0, from: '' })
  assert.notEqual(first.next, undefined)
  take((turn) => turn.fleet({ kind: 'ban', nodeId: `node_${idOf(0)}`, reason: 'r', nowMs: turn.nowMs }))
  take((turn) =>
    turn.organisations({ kind: 'revoke_key', keyId: idOf(0), organisationId: PAYER, nowMs: turn.nowMs }),
  )
  const { nodes, keys, isComplete } = feed.since({ epoch: 1, version: first.version, from: '' })
  assert.deepEqual(
    [isComplete, nodes.map(({ isBanned }) => isBanned), keys.map(({ isRevoked }) => isRevoked)],
    [false, [true], [true]],
  )
})

test('a reader that missed very much is told everything in parts', async () => {
  const { feed, take } = await setup(2_000)
  const { version } = feed.since({ epoch: 0, version: 0 })
  take((turn) => {
    for (let index = 0; index < 2_000; index++)
      turn.fleet({ kind: 'drain', nodeId: `node_${idOf(index)}`, nowMs: turn.nowMs })
    return null
  })
  const reply = feed.since({ epoch: 1, version, from: '' })
  assert.deepEqual([reply.isComplete, reply.next !== undefined], [true, true])
  assert.ok(Buffer.byteLength(write({ ...reply, wantsPresence: false })) < PART_BYTES * 1.5)
  const told = feed.since({ epoch: 1, version })
  assert.deepEqual([told.isComplete, told.nodes.length], [false, 2_000])
})

async function everything(feed: Feed) {
  const replies = [feed.since({ epoch: 0, version: 0, from: '' })]
  for (;;) {
    const from = replies.at(-1)?.next
    if (from === undefined) return replies
    replies.push(feed.since({ epoch: 0, version: 0, from }))
  }
}

const idOf = (index: number): string => String(index).padStart(24, '0')

/** With as many nodes and keys, the keys of the lengths that real ones have. */
async function setup(count = COUNT) {
  const world = createTestWorld()
  const { host } = world.machine('coordinator')
  const onFatal = (problem: Error) => assert.fail(problem)
  const coordinator = await world.settle(openCoordinator(host, { snapshotEvery: 1_000, onFatal }))
  const take = (useCase: (turn: Turn) => unknown) => {
    coordinator.execute(useCase, (refusal) => assert.equal(refusal, null))
  }
  take((turn) => {
    const indices = Array.from({ length: count }, (_, index) => index)
    const nodes = indices.map((index) => [`node_${idOf(index)}`, String(index).padStart(64, '0')])
    foundCell(turn, { nodes: Object.fromEntries(nodes) })
    for (const index of indices) {
      const keyId = idOf(index)
      const key = { keyId, organisationId: PAYER, name: 'k', hash: keyId.padStart(64, 'f'), hint: 'h' }
      const ends = { expiresAtMs: turn.nowMs + DAY_MS, scopes: ['developer'] as const, nowMs: turn.nowMs }
      assert.equal(turn.organisations({ kind: 'create_key', ...key, ...ends }), null)
    }
    return null
  })
  await world.run(100)
  return { feed: createFeed(coordinator), take }
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FollowReply } from '#protocol/cell.ts'
import { createTestWorld, foundCell, PAYER, PROVIDER } from '#sim/test-world.ts'
import { openCoordinator } from './coordinator.ts'
import { createFeed } from './feed.ts'
import type { Turn } from './turn.ts'

test('a reader of another epoch gets every node and key', async () => {
  const { feed } = await setup()
  const { nodes, keys, nowMs, ...rest } = feed.since({ epoch: 0, version: 0 })
  assert.ok(nowMs !== undefined && nowMs > 0)
  assert.deepEqual(rest, { epoch: 1, version: 1, takesTallies: true, isComplete: true, models: [] })
  assert.deepEqual([nodes.map((node) => node.id), keys.map((key) => key.id)], [['a', 'b'], ['k']])
  assert.deepEqual(nodes[0], {
    id: 'a',
    organisationId: PROVIDER,
    publicKey: 'key a',
    session: 0,
    isDrained: false,
    isBanned: false,
    models: [],
    nodeClass: 'community',
    standing: 0.9,
    successLcb: 0.05,
  })
})

test('a reader that is up to date gets nothing', async () => {
  const { feed } = await setup()
  assert.deepEqual(ids(feed.since({ epoch: 1, version: 1 })), [])
})

test('a reader gets what changed since, each thing once, as it is now', async () => {
  const { feed, take } = await setup()
  take((turn) => turn.fleet({ kind: 'drain', nodeId: 'a', nowMs: turn.nowMs }))
  take((turn) => turn.fleet({ kind: 'ban', nodeId: 'b', reason: 'r', nowMs: turn.nowMs }))
  take((turn) => turn.fleet({ kind: 'undrain', nodeId: 'a', nowMs: turn.nowMs }))
  const reply = feed.since({ epoch: 1, version: 1 })
  assert.deepEqual(ids(reply), ['b', 'a'])
  assert.deepEqual(
    reply.nodes.map(({ isDrained, isBanned }) => [isDrained, isBanned]),
    [
      [false, true],
      [false, false],
    ],
  )
  assert.deepEqual(ids(feed.since({ epoch: 1, version: 3 })), ['a'])
  assert.deepEqual(ids(feed.since({ epoch: 1, version: reply.version })), [])
})

test('a revoked key is told as revoked', async () => {
  const { feed, take } = await setup()
  take((turn) =>
    turn.organisations({ kind: 'revoke_key', keyId: 'k', organisationId: PAYER, nowMs: turn.nowMs }),
  )
  const { keys } = feed.since({ epoch: 1, version: 1 })
  assert.deepEqual(
    keys.map(({ id, isRevoked }) => [id, isRevoked]),
    [['k', true]],
  )
})

test('a new connection is news, for it raises the session; that it is gone is news, its silence the gateways’ own', async () => {
  const { feed, take } = await setup()
  take((turn) =>
    turn.fleet({ kind: 'come_online', nodeId: 'a', gatewayId: 'g', session: 4, nowMs: turn.nowMs }),
  )
  assert.equal(feed.since({ epoch: 1, version: 1 }).nodes[0]?.session, 4)
  const before = feed.newest()
  const absence = { nodeId: 'a', session: 4, reason: 'left' } as const
  take((turn) => turn.fleet({ kind: 'suspect', ...absence, nowMs: turn.nowMs }))
  assert.equal(feed.newest(), before)
  assert.notEqual(feed.since({ epoch: 1, version: 1 }).nodes[0]?.upSinceMs, undefined)
  take((turn) => turn.fleet({ kind: 'lose', ...absence, nowMs: turn.nowMs }))
  const { nodes } = feed.since({ epoch: 1, version: before })
  assert.deepEqual(
    nodes.map(({ id, upSinceMs }) => [id, upSinceMs]),
    [['a', undefined]],
  )
})

test('what no gateway follows is no news: money moves without it', async () => {
  const { feed, take } = await setup()
  const before = feed.newest()
  take((turn) => turn.ledger({ kind: 'open_account', accountId: 'x', accountKind: 'consumer' }))
  assert.equal(feed.newest(), before)
})

const ids = ({ nodes, keys }: Pick<FollowReply, 'nodes' | 'keys'>): string[] =>
  [...nodes, ...keys].map(({ id }) => id)

/** The feed of a cell with the nodes a and b and the key k, all made in its first entry. */
async function setup() {
  const world = createTestWorld()
  const { host } = world.machine('coordinator')
  const onFatal = (problem: Error) => assert.fail(problem)
  const coordinator = await world.settle(openCoordinator(host, { snapshotEvery: 1_000, onFatal }))
  const take = (useCase: (turn: Turn) => unknown) => {
    coordinator.execute(useCase, (refusal) => assert.equal(refusal, null))
  }
  coordinator.execute(
    (turn) => {
      foundCell(turn, { nodes: { a: 'key a', b: 'key b' } })
      const key = { keyId: 'k', organisationId: PAYER, name: 'k', hash: 'hash', hint: 'h' }
      turn.organisations({ kind: 'create_key', ...key, scopes: ['viewer'], nowMs: turn.nowMs })
    },
    () => {},
  )
  await world.run(100)
  return { feed: createFeed(coordinator), take }
}

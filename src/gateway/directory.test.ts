import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FollowedKey, FollowedNode, FollowReply } from '#protocol/cell.ts'
import { createDirectory } from './directory.ts'

test('a directory is empty and not loaded until the first reply', () => {
  const directory = createDirectory()
  assert.deepEqual([directory.isLoaded(), directory.epoch(), directory.version()], [false, 0, 0])
  directory.apply(reply({ epoch: 1, version: 5 }))
  assert.deepEqual([directory.isLoaded(), directory.epoch(), directory.version()], [true, 1, 5])
})

test('changes are added to what is known', () => {
  const directory = createDirectory()
  directory.apply(reply({ epoch: 1, version: 5, nodes: [node('a')], keys: [key('k')] }))
  directory.apply(
    reply({ epoch: 1, version: 6, isComplete: false, nodes: [node('a', { isDrained: true }), node('b')] }),
  )
  assert.deepEqual([directory.node('a')?.isDrained, directory.node('b')?.isDrained], [true, false])
  assert.equal(directory.keyByHash('hash of k')?.id, 'k')
})

test('a revoked key opens nothing', () => {
  const directory = createDirectory()
  directory.apply(reply({ epoch: 1, version: 5, keys: [key('k'), key('old', { isRevoked: true })] }))
  assert.equal(directory.keyByHash('hash of old'), undefined)
  directory.apply(reply({ epoch: 1, version: 6, isComplete: false, keys: [key('k', { isRevoked: true })] }))
  assert.equal(directory.keyByHash('hash of k'), undefined)
})

test('a key that ends opens nothing from then on, by the time of the cell and never later', () => {
  // This gateway's own clock is an hour behind, and the reply took 400 ms.
  const clock = { ms: 0, elapsedMs: () => clock.ms, nowMs: () => 1_000_000 - 3_600_000 + clock.ms }
  const directory = createDirectory(clock)
  const ends = key('k', { expiresAtMs: 1_010_000 })
  clock.ms = 400
  directory.apply(reply({ epoch: 1, version: 5, keys: [ends], nowMs: 1_000_000 }), 0)
  const opensAt = (ms: number): boolean => {
    clock.ms = ms
    return directory.keyByHash('hash of k') !== undefined
  }
  assert.deepEqual([400, 9_999, 10_000, 99_999].map(opensAt), [true, true, false, false])
})

test('a complete reply takes the place of all that was known', () => {
  const directory = createDirectory()
  directory.apply(reply({ epoch: 1, version: 5, nodes: [node('a')], keys: [key('k')] }))
  directory.apply(reply({ epoch: 2, version: 3, nodes: [node('b')] }))
  assert.deepEqual([directory.node('a'), directory.keyByHash('hash of k')], [undefined, undefined])
  assert.deepEqual([directory.node('b')?.id, directory.epoch(), directory.version()], ['b', 2, 3])
})

test('what an older coordinator, or this one earlier, said late undoes nothing', () => {
  const directory = createDirectory()
  directory.apply(reply({ epoch: 2, version: 5, nodes: [node('a', { session: 9 })] }))
  directory.apply(reply({ epoch: 1, version: 99, nodes: [] }))
  directory.apply(reply({ epoch: 2, version: 4, isComplete: false, nodes: [node('a', { session: 1 })] }))
  assert.deepEqual([directory.node('a')?.session, directory.epoch(), directory.version()], [9, 2, 5])
})

test('a model is known while some node that is not banned serves it', () => {
  const directory = createDirectory()
  directory.apply(
    reply({
      epoch: 1,
      version: 1,
      nodes: [node('a', { models: ['m'] }), node('b', { models: ['n'], isBanned: true })],
    }),
  )
  assert.deepEqual(
    ['m', 'n', 'o'].map((model) => directory.knowsModel(model)),
    [true, false, false],
  )
})

test('a model has one owner where only one organisation offers it', () => {
  const directory = createDirectory()
  const models = ['own', 'shared']
  directory.apply(
    reply({
      nodes: [
        node('a', { models }),
        node('b', { models }),
        node('c', { models: ['shared'], organisationId: 'p' }),
      ],
    }),
  )
  assert.deepEqual(
    ['own', 'shared', 'unknown'].map((model) => directory.onlyOwner(model)),
    ['o', null, null],
  )
})

test('a model is up elsewhere while a node at another gateway may work with it, as it was told last', () => {
  const directory = createDirectory()
  const up = { models: ['m'], upSinceMs: 1 }
  const isUp = (told: Partial<FollowedNode>, gateways = 2): boolean => {
    directory.apply(reply({ gateways, nodes: [node('a', { ...up, ...told })] }))
    return directory.isUpElsewhere('m', new Set(['here']))
  }
  assert.equal(isUp({}), true)
  assert.equal(isUp({}, 1), false, 'of one gateway nothing is elsewhere')
  assert.equal(isUp({ id: 'here' }), false)
  assert.equal(isUp({ models: ['n'] }), false)
  assert.equal(isUp({ isBanned: true }), false)
  assert.equal(isUp({ isDrained: true }), false)
  assert.equal(isUp({ barred: { code: 'unproven', message: '' } }), false)
  directory.apply(reply({ gateways: 2, nodes: [node('a', { models: ['m'] })] }))
  assert.equal(directory.isUpElsewhere('m', new Set()), false, 'one that went is not up')
})

const reply = (part: Partial<FollowReply>): FollowReply => ({
  epoch: 1,
  version: 1,
  isComplete: true,
  wantsPresence: false,
  nodes: [],
  keys: [],
  ...part,
})

const node = (id: string, part: Partial<FollowedNode> = {}): FollowedNode => ({
  id,
  organisationId: 'o',
  publicKey: `key of ${id}`,
  session: 1,
  isDrained: false,
  isBanned: false,
  models: [],
  ...part,
})

const key = (id: string, part: Partial<FollowedKey> = {}): FollowedKey => ({
  id,
  organisationId: 'o',
  hash: `hash of ${id}`,
  scopes: ['viewer'],
  isRevoked: false,
  ...part,
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Bus } from '#host/host.ts'
import {
  type Follow,
  type FollowedKey,
  type FollowedNode,
  type FollowReply,
  subjects,
} from '#protocol/cell.ts'
import { createDirectory } from './directory.ts'
import { startFollower } from './follower.ts'

test('news of what changed wait for the answer that is under way', () => {
  const { asked, news, answer, directory } = setup()
  answer(0, 1)
  news('7 1')
  news('8 1')
  news('9 1')
  assert.equal(asked.length, 2)
  answer(1, 1)
  assert.equal(asked.length, 3)
  assert.equal(directory.epoch(), 1)
})

test('a new leader is asked at once, whatever the old one still owes', () => {
  const { asked, news, answer, heard, directory } = setup()
  answer(0, 1)
  news('8 1')
  assert.equal(asked.length, 2)
  news('9 2')
  assert.equal(asked.length, 3)
  answer(2, 2)
  assert.equal(directory.epoch(), 2)
  answer(1, 1)
  assert.deepEqual([directory.epoch(), heard()], [2, 2])
})

test('news without an epoch, as coordinators of the first release send them, abandon nothing', () => {
  const { asked, news } = setup()
  news('8')
  news('9')
  assert.equal(asked.length, 1)
})

test('what comes in parts counts once all of it is here, as of its first part', () => {
  const { answer, calls, directory, heard } = setup()
  answer(0, 1, { version: 7, next: 'node a', nodes: [node('a')], keys: [key('k')] })
  assert.deepEqual([directory.isLoaded(), heard()], [false, 0])
  answer(1, 1, { version: 9, nodes: [node('b')], keys: [key('l')] })
  assert.deepEqual(
    calls.map(({ epoch, version, from }) => [epoch, version, from]),
    [
      [0, 0, ''],
      [0, 0, 'node a'],
    ],
  )
  assert.deepEqual([directory.version(), heard()], [7, 1])
  assert.ok(directory.node('a') && directory.node('b') && directory.keyById('k') && directory.keyById('l'))
})

test('a part of another leader belongs to no other part: it is asked from the beginning', () => {
  const { answer, calls, directory } = setup()
  answer(0, 1, { next: 'node a', nodes: [node('a')] })
  answer(1, 2, { nodes: [node('z')] })
  assert.equal(directory.isLoaded(), false)
  assert.equal(calls.at(-1)?.from, '')
  answer(2, 2, { nodes: [node('b')] })
  assert.deepEqual([directory.epoch(), directory.node('a')], [2, undefined])
  assert.ok(directory.node('b'))
})

const node = (id: string): FollowedNode => ({
  ...{ id, organisationId: 'o', publicKey: id, session: 0, isDrained: false, isBanned: false, models: [] },
})
const key = (id: string): FollowedKey => ({
  ...{ id, organisationId: 'o', hash: `hash ${id}`, scopes: [], isRevoked: false },
})

function setup() {
  const calls: Follow[] = []
  const asked: ((problem: null, reply: string) => void)[] = []
  let tell = (_news: string): void => assert.fail('nobody listens')
  const bus = {
    request({ message }, done) {
      calls.push(JSON.parse(message))
      asked.push(done)
    },
    subscribe(subject, receive) {
      assert.equal(subject, subjects.changed)
      tell = receive
      return { close: () => undefined }
    },
    publish: () => undefined,
    serve: () => assert.fail('a follower serves nothing'),
  } satisfies Bus
  const clock = { nowMs: () => 0, elapsedMs: () => 0, after: () => ({ cancel: () => undefined }) }
  const log = {
    info: () => undefined,
    warn: () => undefined,
    error: () => assert.fail('nothing is malformed'),
  }
  const directory = createDirectory(clock)
  let heard = 0
  startFollower({ bus, clock, log, directory, gatewayId: 'gateway_1' }, () => void heard++)
  return {
    asked,
    calls,
    directory,
    heard: () => heard,
    news: (text: string) => tell(text),
    answer(index: number, epoch: number, more: Partial<FollowReply> = {}) {
      const reply: FollowReply = {
        epoch,
        version: epoch,
        isComplete: true,
        wantsPresence: false,
        nodes: [],
        keys: [],
        ...more,
      }
      asked[index]?.(null, JSON.stringify(reply))
    },
  }
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Bus } from '#host/host.ts'
import { type FollowReply, subjects } from '#protocol/cell.ts'
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

function setup() {
  const asked: ((problem: null, reply: string) => void)[] = []
  let tell = (_news: string): void => assert.fail('nobody listens')
  const bus = {
    request: (_call, done) => void asked.push(done),
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
    directory,
    heard: () => heard,
    news: (text: string) => tell(text),
    answer(index: number, epoch: number) {
      const reply: FollowReply = {
        epoch,
        version: epoch,
        isComplete: true,
        wantsPresence: false,
        nodes: [],
        keys: [],
      }
      asked[index]?.(null, JSON.stringify(reply))
    },
  }
}

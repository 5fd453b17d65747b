import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Bus } from '#host/host.ts'
import { createHandClock } from '#host/node/test-clock.ts'
import type { LiveModel } from './live-models.ts'
import { joinPeers, type Room } from './peers.ts'

test('a call stays where a slot is free, and goes to where one is when none is here', () => {
  const { join, pass } = setup()
  const [a, b] = [join('a', { slots: 2, busy: 1 }), join('b', { slots: 4, busy: 0 })]
  pass(100)
  assert.equal(a.elsewhere(), null)
  a.room.busy = 2
  assert.equal(a.elsewhere(), 'b')
  assert.equal(b.elsewhere(), null)
})

test('what was sent there counts until the other tells its load again', () => {
  const { join, pass } = setup()
  const a = join('a', { slots: 1, busy: 1 })
  const b = join('b', { slots: 2, busy: 0 })
  pass(100)
  assert.deepEqual([a.elsewhere(), a.elsewhere(), a.elsewhere()], ['b', 'b', null])
  b.room.busy = 1
  pass(100)
  assert.deepEqual([a.elsewhere(), a.elsewhere()], ['b', null])
})

test('where nobody is free it waits here, unless only others serve the model', () => {
  const { join, pass } = setup()
  const a = join('a', { slots: 1, busy: 1 })
  const none = join('none', null)
  join('b', { slots: 1, busy: 1, waiting: 3 })
  pass(100)
  assert.equal(a.elsewhere(), null)
  assert.match(none.elsewhere() ?? '', /^[ab]$/)
})

test('a call goes to where the model is served for its kind of work', () => {
  const { join, pass } = setup()
  const chats = join('a', { slots: 2, busy: 0 })
  const embeds = join('b', { slots: 2, busy: 0, task: 'embedding' })
  pass(100)
  assert.deepEqual([chats.elsewhere('chat'), chats.elsewhere('embedding')], [null, 'b'])
  assert.deepEqual([embeds.elsewhere('chat'), embeds.elsewhere('embedding')], ['a', null])
})

test('a worker that is silent is forgotten, and others with another group are never heard', () => {
  const { join, pass } = setup()
  const a = join('a', null)
  const b = join('b', { slots: 1, busy: 0 })
  join('x', { slots: 9, busy: 0 }, 'another')
  pass(100)
  assert.equal(a.elsewhere(), 'b')
  b.peers.close()
  pass(4_000)
  assert.equal(a.elsewhere(), null)
})

test('all find the same keeper of a key', () => {
  const { join, pass } = setup()
  const workers = ['a', 'b', 'c'].map((id) => join(id, null))
  pass(200)
  const keepers = new Set<string>()
  for (let key = 0; key < 50; key++) {
    const found = workers.map(({ id, peers }) => peers.keeperOf(`key ${key}`)?.gatewayId ?? id)
    assert.equal(new Set(found).size, 1)
    keepers.add(found[0] ?? '')
  }
  assert.equal(keepers.size, 3, 'keys are spread')
})

function setup() {
  const listeners: ((message: string) => void)[] = []
  const bus = {
    publish: (_subject, message) => {
      for (const listener of listeners) listener(message)
    },
    subscribe: (_subject, receive) => {
      listeners.push(receive)
      return { close: () => void listeners.splice(listeners.indexOf(receive), 1) }
    },
    request: () => assert.fail('peers ask nobody'),
    serve: () => assert.fail('peers are asked nothing'),
  } satisfies Bus
  const clock = createHandClock()
  const log = {
    info: () => undefined,
    warn: () => assert.fail('nothing is malformed'),
    error: () => undefined,
  }
  return {
    pass: (ms: number) => clock.advance(ms),
    join(id: string, given: (Partial<Room> & { task?: 'chat' | 'embedding' }) | null, group = 'group') {
      const { task: ownTask = 'chat', ...own } = given ?? {}
      const room = { slots: 0, busy: 0, waiting: 0, ...own }
      const live: LiveModel = {
        id: 'm',
        contextTokens: 1,
        nodes: 1,
        slots: room.slots,
        tasks: [ownTask],
        promptPerMillionMin: 1n,
        promptPerMillionMax: 2n,
        completionPerMillionMin: 3n,
        completionPerMillionMax: 4n,
        decodeTokensPerSecond: 1.5,
        decodeTokensPerSecondSingle: 1,
        features: [],
        resumes: false,
      }
      const peers = joinPeers(
        { bus, clock, log },
        {
          gatewayId: id,
          group,
          url: `http://127.0.0.1/${id}`,
          loadOf: (_model: string, task: string = ownTask) =>
            given === null || task !== ownTask ? null : room,
          loads: () => (given === null ? [] : [{ live, busy: room.busy, waiting: room.waiting }]),
        },
      )
      return {
        id,
        room,
        peers,
        elsewhere: (task: 'chat' | 'embedding' = 'chat') => peers.elsewhere('m', task)?.gatewayId ?? null,
      }
    },
  }
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { RequestPriority } from '../telemetry.ts'
import { FairQueue, type Waiting } from './fair-queue.ts'

test('requests of one organisation come in their order', () => {
  const { queue, push, take } = setup()
  for (let count = 0; count < 5; count++) push('a')
  assert.deepEqual(take(5), ['a1', 'a2', 'a3', 'a4', 'a5'])
  assert.equal(queue.length, 0)
})

test('whoever sends much keeps nobody waiting: turns go around by the work that each was given', () => {
  const { push, take } = setup()
  for (let count = 0; count < 20; count++) push('greedy')
  push('b')
  push('c')
  assert.deepEqual(take(4), ['greedy1', 'b21', 'c22', 'greedy2'])
})

test('twice the work is half as many turns', () => {
  const { push, take } = setup()
  for (let count = 0; count < 40; count++) push('long', { work: 200 })
  for (let count = 0; count < 40; count++) push('short', { work: 100 })
  const turns = take(30)
  assert.equal(turns.filter((name) => name.startsWith('long')).length, 10)
})

test('whoever was away starts where the others are, and has saved up nothing', () => {
  const { push, take } = setup()
  for (let count = 0; count < 30; count++) push('a')
  take(20)
  for (let count = 0; count < 10; count++) push('late')
  const turns = take(10)
  const late = turns.filter((name) => name.startsWith('late')).length
  assert.ok(late >= 5 && late <= 6, `${turns}`)
})

test('interactive goes first, unless its organisation is far ahead; bulk goes last, and now and then all the same', () => {
  const { push, take } = setup()
  for (let count = 0; count < 40; count++) push('bulk', { priority: 'bulk' })
  for (let count = 0; count < 20; count++) push('a')
  push('a', { priority: 'interactive' })
  push('b', { priority: 'interactive' })
  const turns = take(20)
  assert.deepEqual(turns.slice(0, 2), ['a61', 'b62'])
  assert.equal(turns.filter((name) => name.startsWith('bulk')).length, 1)
})

test('an organisation that calls all its requests interactive starves nobody', () => {
  const { push, take } = setup()
  for (let count = 0; count < 400; count++) push('greedy', { priority: 'interactive' })
  for (let count = 0; count < 100; count++) push('b')
  const turns = take(280)
  assert.ok(turns.filter((name) => name.startsWith('b')).length >= 95, `${turns}`)
})

test('however many that are alike fit nothing, what is unlike them is offered, and one alone of them', () => {
  const { queue, push } = setup()
  for (let count = 0; count < 100; count++) push('a', { likeness: 'chat' })
  push('b', { likeness: 'embedding' })
  const offered: string[] = []
  queue.serve({
    choose(item) {
      offered.push(item.likeness ?? '')
      return item.likeness === 'chat' ? 'unfit' : item
    },
    assign: () => undefined,
  })
  assert.deepEqual(offered, ['chat', 'embedding'])
  assert.equal(queue.length, 100)
})

test('one that came back and has to yield lets the others go first, and waits', () => {
  const { queue, push, items, take } = setup()
  const back = push('greedy')
  take(1)
  queue.putBack(back)
  push('greedy')
  push('b')
  const served: string[] = []
  queue.serve({
    choose: ({ organisationId }) => (organisationId === 'greedy' ? 'yield' : {}),
    assign: ({ organisationId }) => served.push(organisationId),
  })
  assert.deepEqual(served, ['b'])
  assert.equal(queue.length, items.length - 1)
})

test('what comes back goes before all, in its old order', () => {
  const { queue, push, take, items } = setup()
  for (let count = 0; count < 4; count++) push('a')
  take(2)
  const [first, second] = items as [TestItem, TestItem]
  queue.putBack(second)
  queue.putBack(first)
  assert.deepEqual(take(4), ['a1', 'a2', 'a3', 'a4'])
})

test('what no free node fits keeps its place and nobody waiting, and an organisation that must yield is passed over', () => {
  const { queue, push, take } = setup()
  for (let count = 0; count < 3; count++) push('a')
  push('b')
  queue.serve({ choose: (item) => (item.organisationId === 'a' ? 'yield' : item), assign: () => undefined })
  assert.equal(queue.length, 3)
  queue.serve({ choose: (item) => (item.ticket === 1 ? 'unfit' : item), assign: () => undefined })
  assert.deepEqual(take(1), ['a1'])
})

test('whatever is pushed, removed and put back, everything comes out once', () => {
  const act = fc.record({
    kind: fc.constantFrom('push', 'take', 'remove', 'back'),
    organisation: fc.constantFrom('a', 'b', 'c'),
    priority: fc.constantFrom<RequestPriority>('interactive', 'default', 'bulk'),
    work: fc.integer({ min: 1, max: 9_000 }),
  })
  fc.assert(
    fc.property(fc.array(act, { maxLength: 120 }), (acts) => {
      const { queue, push, takeItems, items } = setup()
      const waiting = new Set<TestItem>()
      const away = new Set<TestItem>()
      for (const { kind, organisation, priority, work } of acts) {
        if (kind === 'push') waiting.add(push(organisation, { priority, work }))
        const one = kind === 'take' ? takeItems(1)[0] : undefined
        if (one) {
          assert.ok(waiting.delete(one))
          away.add(one)
        }
        const [gone] = kind === 'remove' ? waiting : []
        if (gone) assert.equal(queue.remove(gone), waiting.delete(gone))
        const [back] = kind === 'back' ? away : []
        if (back) {
          away.delete(back)
          waiting.add(back)
          queue.putBack(back)
        }
        assert.equal(queue.length, waiting.size)
      }
      assert.deepEqual(new Set(takeItems(items.length + 1)), waiting)
    }),
    { numRuns: 200 },
  )
})

interface TestItem extends Waiting {
  readonly name: string
}

function setup() {
  const queue = new FairQueue<TestItem>()
  const items: TestItem[] = []
  const push = (
    organisationId: string,
    part: { work?: number; priority?: RequestPriority; likeness?: string } = {},
  ): TestItem => {
    const ticket = items.length + 1
    const name = `${organisationId}${ticket}`
    const item = { organisationId, ticket, name, priority: 'default', work: 1_000, ...part } as const
    items.push(item)
    queue.push(item)
    return item
  }
  const takeItems = (count: number): TestItem[] => {
    const taken: TestItem[] = []
    queue.serve({
      choose: (item) => (taken.length < count ? item : 'stop'),
      assign: (item) => void taken.push(item),
    })
    return taken
  }
  return { queue, items, push, takeItems, take: (count: number) => takeItems(count).map(({ name }) => name) }
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createRandom } from '#kernel/random.ts'
import { chooseSeat, type SeatAsk } from './choose-seat.ts'
import { askFor, begin, seatOf, serve, TestNode, type TestTable, tableOf } from './test-seats.ts'

test('a node without room is never chosen, and nobody only when nobody has room', () => {
  const node = fc.record({ open: fc.nat(6), slots: fc.integer({ min: 1, max: 6 }), isDraining: fc.boolean() })
  fc.assert(
    fc.property(fc.array(node, { minLength: 1, maxLength: 8 }), fc.integer(), (parts, seed) => {
      const nodes = parts.map(({ open, slots, isDraining }, index) =>
        Object.assign(new TestNode(`${index}`, { slots }), { open, isDraining }),
      )
      const hasRoom = ({ open, isDraining, offers }: TestNode): boolean =>
        !isDraining && open < (offers.get('model')?.model.slots ?? 0)
      const chosen = pick(tableOf(nodes), askFor(['hello']), { seed })
      return chosen === null ? !nodes.some(hasRoom) : hasRoom(chosen)
    }),
  )
})

test('the one whose first token is expected sooner is taken more often: faster, idler, nearer, as measured', () => {
  const cases: ((better: TestNode, worse: TestNode, table: TestTable) => void)[] = [
    (better) => void Object.assign(better, { roundTripMs: 1 }),
    (_, worse, table) => {
      for (let count = 0; count < 3; count++) begin(table, seatOf(table, worse.nodeId)).begin(0)
    },
    (_, worse, table) => void begin(table, seatOf(table, worse.nodeId), { ask: askFor(['x'.repeat(8_000)]) }),
    (_, worse, table) => void serve(table, seatOf(table, worse.nodeId), { nowMs: -500, tookMs: 400 }),
  ]
  for (const [index, prepare] of cases.entries()) {
    const [better, worse] = [new TestNode('better'), new TestNode('worse')]
    if (index === 0) prepare(better, worse, tableOf([better, worse]))
    const table = tableOf([better, worse])
    prepare(better, worse, table)
    const ask = askFor(['a question of its own'])
    const taken = Array.from({ length: 50 }, (_, seed) => pick(table, ask, { seed })?.nodeId)
    assert.deepEqual(new Set(taken), new Set(['better']), `case ${index}`)
  }
})

test('a busy fast node may still be sooner than an idle slow one', () => {
  const slow = new TestNode('slow', { prefillTokensPerSecond: 50, decodeTokensPerSecond: 5 })
  const fast = Object.assign(new TestNode('fast', { prefillTokensPerSecond: 5_000 }), { open: 2 })
  assert.equal(pick(tableOf([slow, fast]), askFor(['x'.repeat(4_000)])), fast)
})

test('of equal nodes each is taken about as often', () => {
  const nodes = ['a', 'b', 'c', 'd'].map((id) => new TestNode(id))
  const table = tableOf(nodes)
  const counts = new Map<string, number>()
  for (let seed = 0; seed < 400; seed++) {
    const { nodeId } = pick(table, askFor([`${seed}`]), { seed }) ?? assert.fail('all are free')
    counts.set(nodeId, (counts.get(nodeId) ?? 0) + 1)
  }
  for (const count of counts.values()) assert.ok(count > 60 && count < 140, `${[...counts]}`)
})

test('a conversation returns to the node that has it warm, with its answer', () => {
  const table = tableOf(['a', 'b', 'c', 'd'].map((id) => new TestNode(id)))
  const texts = [
    'Tell me of whales.',
    'x'.repeat(600),
    'And of sharks?',
    'y'.repeat(600),
    'Which of them bites?',
  ]
  const first = askFor(texts.slice(0, 1))
  const placement = begin(table, seatOf(table, 'c'), { ask: first })
  placement.begin(100)
  first.prompt.add(texts[1] ?? '')
  placement.answered(first.prompt, 'chat')
  for (let seed = 0; seed < 20; seed++) {
    for (const length of [3, 5]) {
      assert.equal(pick(table, askFor(texts.slice(0, length)), { seed, nowMs: 200 })?.nodeId, 'c')
    }
  }
  const other = Array.from({ length: 20 }, (_, seed) => pick(table, askFor(['Of something else.']), { seed }))
  assert.ok(new Set(other).size > 1)
})

test('a warm node that had much more than its part of the work is passed over', () => {
  const nodes = ['a', 'b', 'c', 'd'].map((id) => new TestNode(id))
  const table = tableOf(nodes)
  const texts = ['z'.repeat(4_000)]
  serve(table, seatOf(table, 'a'), { nowMs: 0, ask: askFor(texts) })
  assert.equal(pick(table, askFor(texts), { nowMs: 200 })?.nodeId, 'a')
  for (const seat of table.seats) {
    const ms = seat.node.nodeId === 'a' ? 12_000 : 6_000
    seat.load.add(ms, 200)
    table.load.add(ms, 200)
  }
  const taken = Array.from(
    { length: 20 },
    (_, seed) => pick(table, askFor(texts), { seed, nowMs: 200 })?.nodeId,
  )
  assert.ok(
    taken.some((nodeId) => nodeId !== 'a'),
    `${taken}`,
  )
})

test('a warm node with too many requests at this moment is passed over, too', () => {
  const nodes = ['a', 'b', 'c', 'd'].map((id) => new TestNode(id))
  const table = tableOf(nodes)
  const texts = ['z'.repeat(4_000)]
  for (let count = 0; count < 3; count++) begin(table, seatOf(table, 'a'), { ask: askFor(texts) })
  const taken = Array.from({ length: 20 }, (_, seed) => pick(table, askFor(texts), { seed })?.nodeId)
  assert.ok(!taken.includes('a'), `${taken}`)
})

test('a node that came lately gets little at first, and all when nobody else has room', () => {
  const [old, fresh] = [new TestNode('old'), new TestNode('fresh')]
  const table = tableOf([old, fresh])
  seatOf(table, 'fresh').health.inSinceMs = 0
  const taken = (nowMs: number) =>
    Array.from({ length: 40 }, (_, seed) => pick(table, askFor([`${seed}`]), { seed, nowMs })?.nodeId)
  assert.ok(!taken(1_000).includes('fresh'))
  assert.ok(taken(60_000).includes('fresh'))
  old.open = 4
  assert.ok(taken(1_000).every((nodeId) => nodeId === 'fresh'))
})

test('who puts price, latency or throughput first gets the best by that', () => {
  const cheap = new TestNode('cheap', { prefillTokensPerSecond: 100, decodeTokensPerSecondSingle: 10 })
  const quick = new TestNode('quick', { prefillTokensPerSecond: 9_000 })
  const strong = new TestNode('strong', { decodeTokensPerSecond: 900, decodeTokensPerSecondSingle: 300 })
  for (const [node, price] of [
    [cheap, 1n],
    [quick, 5n],
    [strong, 5n],
  ] as const) {
    const { model } = node.offers.get('model') ?? assert.fail('it serves the model')
    node.offers = new Map([
      ['model', { model, price: { promptPerMillion: price, completionPerMillion: price } }],
    ])
  }
  const table = tableOf([cheap, quick, strong])
  const by = (sort: 'price' | 'latency' | 'throughput') =>
    pick(table, askFor(['x'.repeat(4_000)], { sort }))?.nodeId
  assert.deepEqual([by('price'), by('latency'), by('throughput')], ['cheap', 'quick', 'strong'])
})

test('what the caller excludes is never taken', () => {
  const table = tableOf(['a', 'b', 'c'].map((id) => new TestNode(id)))
  const accepts: SeatAsk<TestNode>['accepts'] = ({ node }) => node.nodeId === 'b'
  for (let seed = 0; seed < 20; seed++)
    assert.equal(pick(table, askFor(['hello'], { accepts }), { seed })?.nodeId, 'b')
  assert.equal(pick(table, askFor(['hello'], { accepts: () => false })), null)
})

function pick(
  table: TestTable,
  ask: SeatAsk<TestNode>,
  { seed = 1, nowMs = 0 }: { seed?: number; nowMs?: number } = {},
): TestNode | null {
  return chooseSeat(table, ask, { nowMs, random: createRandom(seed) })?.seat.node ?? null
}

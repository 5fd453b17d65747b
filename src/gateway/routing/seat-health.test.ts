import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRandom } from '#kernel/random.ts'
import { chooseSeat } from './choose-seat.ts'
import { askFor, begin, seatOf, serve, TestNode, type TestTable, tableOf } from './test-seats.ts'

test('three faults in a row put a node out, for twice as long each time that its trial fails', () => {
  const { table, fail } = setup()
  assert.deepEqual([fail(1_000), fail(2_000)], [null, null])
  assert.deepEqual(fail(3_000), { kind: 'out', reason: 'failures', forMs: 5_000 })
  assert.equal(chosen(table, 7_000).has('a'), false)
  assert.deepEqual(fail(9_000), { kind: 'out', reason: 'failures', forMs: 10_000 })
  assert.deepEqual(fail(20_000), { kind: 'out', reason: 'failures', forMs: 20_000 })
})

test('a node whose time is over gets the next request, one alone, and is in again by its answer', () => {
  const { table, fail } = setup()
  for (const nowMs of [1_000, 2_000, 3_000]) fail(nowMs)
  assert.deepEqual(chosen(table, 9_000), new Set(['a']))
  const trial = begin(table, seatOf(table, 'a'), { nowMs: 9_000 })
  assert.equal(chosen(table, 9_100).has('a'), false, 'one at a time')
  trial.begin(9_200)
  seatOf(table, 'a').node.open--
  assert.deepEqual(trial.end('completed', 10, 9_300), { kind: 'in' })
  assert.equal(table.out, 0)
})

test('a request that is in the middle of its answer is no trial', () => {
  const { table, fail } = setup()
  for (const nowMs of [1_000, 2_000, 3_000]) fail(nowMs)
  const ask = askFor(['hello'], { mayTry: false })
  for (let seed = 0; seed < 10; seed++) {
    const found = chooseSeat(table, ask, { nowMs: 9_000, random: createRandom(seed) })
    assert.equal(found?.seat.health.isIn, true)
  }
})

test('a trial whose caller leaves says nothing: there is another', () => {
  const { table, fail } = setup()
  for (const nowMs of [1_000, 2_000, 3_000]) fail(nowMs)
  const trial = begin(table, seatOf(table, 'a'), { nowMs: 9_000 })
  seatOf(table, 'a').node.open--
  assert.equal(trial.end('left', 0, 9_100), null)
  assert.deepEqual(chosen(table, 9_200), new Set(['a']))
})

test('callers that err or leave never put a node out', () => {
  const { table } = setup()
  const seat = seatOf(table, 'a')
  for (let count = 0; count < 50; count++) {
    const placement = begin(table, seat, { nowMs: count })
    seat.node.open--
    assert.equal(placement.end('left', 0, count + 1), null)
  }
  assert.equal(seat.health.isIn, true)
})

test('many failures at one moment, as when a connection breaks, are one', () => {
  const { table } = setup()
  const seat = seatOf(table, 'a')
  const placements = Array.from({ length: 4 }, () => begin(table, seat, { nowMs: 1_000 }))
  for (const placement of placements) assert.equal(placement.end('failed', 0, 2_000), null)
  assert.equal(seat.health.isIn, true)
})

test('never more than half of the nodes are out, and one alone never is', () => {
  for (const [count, outMax] of [
    [1, 0],
    [2, 1],
    [5, 2],
    [8, 4],
  ] as const) {
    const { table, nodes } = setup(count)
    for (const [index, node] of nodes.entries()) {
      for (let failure = 0; failure < 5; failure++)
        serve(table, seatOf(table, node.nodeId), { nowMs: index * 100 + failure, fails: true })
    }
    assert.equal(table.seats.filter(({ health }) => !health.isIn).length, outMax)
    assert.equal(table.out, outMax)
  }
})

test('where only nodes that are out serve a request, one of them is better than nobody', () => {
  const { table, fail } = setup(2)
  for (const nowMs of [1_000, 2_000, 3_000]) fail(nowMs)
  const ask = askFor(['hello'], { accepts: ({ node }) => node.nodeId === 'a' })
  assert.equal(chooseSeat(table, ask, { nowMs: 4_000, random: createRandom(1) })?.seat.node.nodeId, 'a')
})

test('a node that is far slower than it promised, while the others are not, is put out', () => {
  const { table, nodes } = setup()
  const verdicts: unknown[] = []
  for (let round = 0; round < 12; round++) {
    for (const node of nodes) {
      const tookMs = node.nodeId === 'a' ? 3_000 : 30
      const verdict = serve(table, seatOf(table, node.nodeId), { nowMs: round * 4_000, tookMs })
      if (verdict) verdicts.push([node.nodeId, verdict])
    }
  }
  assert.deepEqual(verdicts[0], ['a', { kind: 'out', reason: 'slow', forMs: 600_000 }])
})

test('a node that is beaten twice in a row by one that was asked later is put out, once is chance', () => {
  const { table } = setup()
  const beat = (nowMs: number) => begin(table, seatOf(table, 'a'), { nowMs }).end('beaten', 0, nowMs + 50)
  assert.equal(beat(1_000), null)
  serve(table, seatOf(table, 'a'), { nowMs: 2_000, tookMs: 30 })
  assert.equal(beat(3_000), null, 'it answered in between')
  assert.deepEqual(beat(4_000), { kind: 'out', reason: 'slow', forMs: 600_000 })
})

test('a node that was put out for its speed is in again once it has measured itself anew', () => {
  const { table } = setup()
  const seat = seatOf(table, 'a')
  for (const nowMs of [1_000, 2_000]) begin(table, seat, { nowMs }).end('beaten', 0, nowMs + 50)
  seat.update(seat.node, seat.offer, seat.facts, 3_000)
  assert.equal(seat.health.isIn, false, 'the same speed says nothing new')
  const model = { ...seat.offer.model, decodeTokensPerSecond: 3 }
  seat.update(seat.node, { ...seat.offer, model }, seat.facts, 4_000)
  assert.deepEqual([seat.health.isIn, seat.share(5_000) < 1], [true, true])
})

test('a node of which nothing is heard though something is due gets nothing while another will do', () => {
  const { table, nodes } = setup()
  for (const node of nodes) node.isQuiet = node.nodeId !== 'b'
  assert.deepEqual(chosen(table, 1_000), new Set(['b']))
  for (const node of nodes) node.isQuiet = true
  assert.ok(chosen(table, 1_000).size > 0)
})

test('when all are slow nobody is', () => {
  const { table, nodes } = setup()
  for (let round = 0; round < 12; round++) {
    for (const node of nodes)
      assert.equal(serve(table, seatOf(table, node.nodeId), { nowMs: round * 4_000, tookMs: 3_000 }), null)
  }
})

test('a node that says it is full gets less, and by and by as much as before', () => {
  const { table } = setup()
  const seat = seatOf(table, 'a')
  const placements = [0, 1, 2].map(() => begin(table, seat))
  seat.node.open--
  placements[2]?.end('full', 0, 0)
  assert.deepEqual([seat.hasRoom(100), seat.health.isIn], [false, true])
  assert.deepEqual([seat.hasRoom(5_100), seat.hasRoom(10_100)], [false, true])
})

function setup(count = 4) {
  const nodes = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].slice(0, count).map((id) => new TestNode(id))
  const table = tableOf(nodes)
  const fail = (nowMs: number) => serve(table, seatOf(table, 'a'), { nowMs, tookMs: 10, fails: true })
  return { nodes, table, fail }
}

const chosen = (table: TestTable, nowMs: number): Set<string | undefined> =>
  new Set(
    Array.from(
      { length: 20 },
      (_, seed) =>
        chooseSeat(table, askFor([`${seed}`]), { nowMs, random: createRandom(seed) })?.seat.node.nodeId,
    ),
  )

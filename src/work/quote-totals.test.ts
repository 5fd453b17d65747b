import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type QuotedStep, totalsOf } from './quote-totals.ts'

const HOUR_PRICE = 3_600_000n

test('tasks of a second on two nodes of which one is twice as fast', () => {
  const nodes = [
    { nodeId: 'a', speed: 1, fetchMs: 0 },
    { nodeId: 'b', speed: 2, fetchMs: 0 },
  ]
  const { referenceSeconds, wallSeconds, price } = totalsOf([stepOf({ count: 30, nodes })], HOUR_PRICE)
  assert.equal(referenceSeconds.p50, 30)
  assertNear(wallSeconds?.p50 ?? 0, 10, 0.1)
  assert.equal(price.p50, 30_000n)
})

test('a node that fetches for long is counted for what is left, and one task is no quicker on many nodes', () => {
  const nodes = [
    { nodeId: 'a', speed: 1, fetchMs: 0 },
    { nodeId: 'b', speed: 1, fetchMs: 1e9 },
  ]
  assertNear(totalsOf([stepOf({ count: 10, nodes })], HOUR_PRICE).wallSeconds?.p50 ?? 0, 10, 0.1)
  const many = Array.from({ length: 50 }, (_, at) => ({ nodeId: `n${at}`, speed: 1, fetchMs: 0 }))
  assertNear(totalsOf([stepOf({ count: 1, nodes: many })], HOUR_PRICE).wallSeconds?.p50 ?? 0, 1, 0.1)
})

test('the first tasks of the nodes take more, as far as their own caps let them', () => {
  const nodes = [{ nodeId: 'a', speed: 1, fetchMs: 0 }]
  const warm = totalsOf([stepOf({ count: 10, nodes })], HOUR_PRICE)
  const cold = totalsOf([stepOf({ count: 10, nodes, coldMs: 100 })], HOUR_PRICE)
  const veryCold = totalsOf([stepOf({ count: 10, nodes, coldMs: 1e6 })], HOUR_PRICE)
  assertNear(cold.referenceSeconds.p50 - warm.referenceSeconds.p50, 0.1, 1e-6)
  assertNear(veryCold.referenceSeconds.p50 - warm.referenceSeconds.p50, 0.3, 1e-6)
})

test('without a node for a step nobody knows how long it takes, and it still has a price', () => {
  const nodes = [{ nodeId: 'a', speed: 1, fetchMs: 0 }]
  const totals = totalsOf([stepOf({ count: 10, nodes }), stepOf({ count: 1, nodes: [] })], HOUR_PRICE)
  assert.equal(totals.wallSeconds, null)
  assert(totals.price.p50 > 0n)
})

test('law: ranges are in order, the cap is beyond the high price by a task a node, and more tasks are dearer', () => {
  const some = fc.record({
    count: fc.integer({ min: 1, max: 300 }),
    referenceMs: fc.integer({ min: 1, max: 1e6 }),
    speeds: fc.array(fc.double({ min: 0.05, max: 50, noNaN: true }), { maxLength: 8 }),
    coldMs: fc.integer({ min: 0, max: 1e5 }),
    commonError: fc.double({ min: 0, max: 0.6, noNaN: true }),
    ownError: fc.double({ min: 0, max: 0.6, noNaN: true }),
  })
  fc.assert(
    fc.property(fc.array(some, { minLength: 1, maxLength: 3 }), (parts) => {
      const stepsOf = (more: number): QuotedStep[] =>
        parts.map(({ speeds, count, ...part }) => {
          const nodes = speeds.map((speed, at) => ({ nodeId: `n${at}`, speed, fetchMs: at * 100 }))
          return stepOf({ ...part, count: count + more, nodes })
        })
      const [steps, moreSteps] = [stepsOf(0), stepsOf(1)]
      const { referenceSeconds, wallSeconds, price, cap } = totalsOf(steps, HOUR_PRICE)
      assert(referenceSeconds.p10 <= referenceSeconds.p50 && referenceSeconds.p50 <= referenceSeconds.p90)
      assert(price.p10 <= price.p50 && price.p50 <= price.p90 && price.p90 < cap)
      if (wallSeconds) assert(wallSeconds.p10 <= wallSeconds.p50 && wallSeconds.p50 <= wallSeconds.p90)
      for (const { tasks, nodes } of steps)
        assert(
          cap - price.p90 >= BigInt(Math.min(nodes.length, tasks.length) * (tasks[0]?.referenceMsP90 ?? 0)),
        )
      assert(totalsOf(moreSteps, HOUR_PRICE).price.p50 > price.p50)
    }),
  )
})

function stepOf({
  count,
  referenceMs = 1_000,
  ...part
}: Partial<QuotedStep> & { count: number; referenceMs?: number }): QuotedStep {
  const one = { referenceMs, referenceMsP90: Math.ceil(referenceMs * 1.3) }
  return {
    tasks: Array.from({ length: count }, () => one),
    coldMs: 0,
    commonError: 0.08,
    ownError: 0.1,
    nodes: [],
    ...part,
  }
}

function assertNear(actual: number, expected: number, within: number): void {
  assert(Math.abs(actual - expected) <= within, `${actual} is not within ${within} of ${expected}`)
}

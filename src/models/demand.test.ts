import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Demand, IDLE_MS, SLACK_MS, stepDemand } from './demand.ts'

const SECOND_MS = 1_000

test('replicas never leave their bounds, whatever comes', () => {
  const bounds = fc
    .record({ min: fc.nat({ max: 5 }), more: fc.nat({ max: 5 }), slots: fc.integer({ min: 1, max: 16 }) })
    .map(({ min, more, slots }) => ({ min, max: Math.max(1, min + more), slots }))
  const samples = fc.array(fc.tuple(fc.nat({ max: 600_000 }), fc.nat({ max: 200 }), fc.nat({ max: 200 })), {
    maxLength: 40,
  })
  fc.assert(
    fc.property(bounds, samples, ({ min, max, slots }, seen) => {
      let demand: Demand | null = null
      let atMs = 0
      for (const [waitMs, running, queued] of seen) {
        atMs += waitMs
        const ready: number = demand?.wanted ?? 0
        demand = stepDemand(
          demand,
          { atMs, running, queued, arrived: running },
          { min, max, slots, ready, live: ready },
        )
        assert.ok(demand.wanted >= min && demand.wanted <= max, `${demand.wanted} of ${min} to ${max}`)
        assert.ok(demand.level >= 0 && Number.isFinite(demand.level))
      }
    }),
  )
})

test('more work than a replica does makes another one in half a minute', () => {
  const { run } = setup({ min: 1, max: 8, slots: 4 })
  assert.equal(run(60, { running: 4, queued: 4 }).wanted > 1, true)
})

test('work for ten replicas asks for about ten at once, not for one after the other', () => {
  const { run } = setup({ min: 1, max: 20, slots: 4 }, { isLoading: true })
  const { wanted } = run(60, { running: 4, queued: 22 })
  assert.ok(wanted >= 9 && wanted <= 11, String(wanted))
})

test('what waits while a replica loads asks for no more than the work does', () => {
  const { run } = setup({ min: 1, max: 8, slots: 4 }, { isLoading: true })
  assert.equal(run(120, { running: 0, queued: 2 }).wanted, 1)
})

test('a replica goes after minutes of too little work, and only one at a time', () => {
  const { run } = setup({ min: 1, max: 4, slots: 4, live: 3 })
  assert.equal(run(SLACK_MS / SECOND_MS - 5, { running: 0, queued: 0 }).wanted, 3)
  assert.equal(run(60, { running: 0, queued: 0 }).wanted, 2)
})

test('work that swings about what a replica does changes the number of replicas once', () => {
  const { step } = setup({ min: 1, max: 8, slots: 4, live: 1 })
  const wanted: number[] = []
  for (let second = 0; second < 3_600; second++) {
    wanted.push(step({ running: Math.round(3.5 + 2 * Math.sin(second / 40)), queued: 0 }).wanted)
  }
  const changes = wanted.filter((count, index) => index > 0 && count !== wanted[index - 1]).length
  assert.ok(changes <= 1, `${changes} changes`)
})

test('a model without a minimum is wanted from its first request on until nobody asked for a quarter of an hour', () => {
  const { run, step } = setup({ min: 0, max: 2, slots: 4 })
  assert.equal(run(10, { running: 0, queued: 0 }).wanted, 0)
  assert.equal(step({ running: 0, queued: 1 }).wanted, 1)
  assert.equal(run(IDLE_MS / SECOND_MS - 1, { running: 0, queued: 0 }).wanted, 1)
  assert.equal(run(10, { running: 0, queued: 0 }).wanted, 0)
})

test('who has just begun to watch wants what is there', () => {
  const { step } = setup({ min: 1, max: 4, slots: 4, live: 3 })
  assert.equal(step({ running: 2, queued: 0 }).wanted, 3)
})

/** A model of which all wanted replicas serve, unless they are loading; one sample a second. */
function setup(
  { min, max, slots, live = 0 }: { min: number; max: number; slots: number; live?: number },
  { isLoading = false } = {},
) {
  let demand: Demand | null = null
  let atMs = 0
  const step = (work: { running: number; queued: number }): Demand => {
    atMs += SECOND_MS
    const there: number = demand?.wanted ?? live
    const bounds = { min, max, slots, ready: isLoading ? 0 : there, live: there }
    demand = stepDemand(demand, { atMs, ...work, arrived: work.running + work.queued }, bounds)
    return demand
  }
  return {
    step,
    run(seconds: number, work: { running: number; queued: number }): Demand {
      let last = step(work)
      for (let second = 1; second < seconds; second++) last = step(work)
      return last
    },
  }
}

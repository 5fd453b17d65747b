import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '#kernel/time.ts'
import { planOf, stepOf, TestFarm } from './test-farm.ts'
import type { JobPlan, PlannedStep } from './work-events.ts'

test('a program has an hour, or its own limit, however little was planned for it', () => {
  for (const [settings, limitMs] of [
    [{}, HOUR_MS],
    [{ timeoutMs: 20 * MINUTE_MS }, 20 * MINUTE_MS],
    [{ timeoutMs: 3 * HOUR_MS }, 3 * HOUR_MS],
  ] as const) {
    const farm = setup([stepOf({ requirements: program, referenceMs: 60 * SECOND_MS, settings })])
    const [fence] = given(farm, 'a')
    farm.pass(limitMs, ['a'])
    assert.deepEqual(farm.held('a'), [fence], 'its node would have ended it')
    farm.pass(MINUTE_MS, ['a'])
    assert.deepEqual(ends(farm), ['timed_out'])
  }
})

test('what tells of no progress is given up by its estimate, and what tells of some is not', () => {
  const farm = setup([stepOf({ referenceMs: 30 * SECOND_MS })])
  const [fence] = given(farm, 'a')
  const startedAtMs = farm.nowMs
  // Ten times as dear as was planned, and more.
  farm.pass(20 * MINUTE_MS, ['a'], () => (farm.nowMs - startedAtMs) / HOUR_MS)
  assert.deepEqual(farm.held('a'), [fence])
  farm.pass(6.25 * MINUTE_MS, ['a'], () => 0.34)
  assert.deepEqual(farm.held('a'), [fence])
  farm.pass(MINUTE_MS, ['a'], () => 0.34)
  assert.deepEqual(ends(farm), ['timed_out'])
})

test('a task that hangs is free for others soon, and goes to another node', () => {
  const farm = setup([stepOf({ referenceMs: SECOND_MS })])
  given(farm, 'a')
  farm.seat('b')
  farm.pass(2 * MINUTE_MS, ['a', 'b'])
  assert.deepEqual(farm.pull('a'), [])
  assert.deepEqual(farm.pull('b'), [0])
})

test('however slowly it gets on, no task takes longer than its engine lets it, and what it fetches', () => {
  const step = stepOf({ referenceMs: SECOND_MS, inputBytes: 600_000_000 })
  const farm = setup([step])
  const [fence] = given(farm, 'a')
  const startedAtMs = farm.nowMs
  const drip = (): number => (farm.nowMs - startedAtMs) / (100 * HOUR_MS)
  farm.pass(HOUR_MS + 10 * MINUTE_MS - 250, ['a'], drip)
  assert.deepEqual(farm.held('a'), [fence])
  farm.pass(250, ['a'], drip)
  assert.deepEqual(ends(farm), ['timed_out'])
})

test('what fetches its inputs has the time that those take on a slow line, until they are there', () => {
  const inputs = { inputRoot: 'other', inputBytes: 600_000_000 }
  for (const [cached, limitMs] of [
    [[], 12 * MINUTE_MS],
    [['other'], 2 * MINUTE_MS],
  ] as const) {
    const farm = setup([stepOf({ referenceMs: SECOND_MS, ...inputs })])
    farm.seat('a', {}, cached)
    given(farm, 'a')
    farm.pass(limitMs - 250, ['a'])
    assert.deepEqual(ends(farm), [])
    farm.pass(250, ['a'])
    assert.deepEqual(ends(farm), ['timed_out'])
  }
})

test('tasks that took longer than was planned give those behind them more time', () => {
  const farm = setup([stepOf({ frames: 2, referenceMs: 30 * SECOND_MS })])
  given(farm, 'a')
  farm.nowMs += 3 * MINUTE_MS
  const [fence = 0] = farm.held('a')
  const outputs = [{ name: 'frame.png', bytes: 1, sha256: 'a'.repeat(64) }]
  farm.say({ kind: 'commit', fence, nodeId: 'a', outputs, wallMs: 3 * MINUTE_MS, nowMs: farm.nowMs })
  farm.deliver('a', fence)
  const [next] = given(farm, 'a')
  farm.pass(38 * MINUTE_MS, ['a'])
  assert.deepEqual(farm.held('a'), [next])
})

test('a task that no node brings to an end in its time pauses its job and says why', () => {
  const farm = setup([stepOf({ frames: 1, referenceMs: SECOND_MS })])
  farm.seat('d')
  for (const nodeId of ['a', 'b', 'c']) {
    farm.seat(nodeId)
    given(farm, nodeId)
    farm.pass(2 * MINUTE_MS, [nodeId, 'd'])
  }
  const { status, pause } = farm.job()
  assert.equal(status, 'paused')
  assert.equal(pause?.reason, 'same_error')
  assert.match(pause?.detail ?? '', /^Frame 1 failed: It did not get on for 2 min 0 s.* from a, b and c\./)
})

test('nodes that hang with one task each are no error of the job', () => {
  const farm = setup([stepOf({ frames: 6, referenceMs: SECOND_MS })])
  for (const nodeId of ['a', 'b', 'c', 'd']) farm.seat(nodeId)
  for (const nodeId of ['a', 'b', 'c']) given(farm, nodeId)
  farm.pass(2 * MINUTE_MS, ['a', 'b', 'c', 'd'])
  assert.equal(ends(farm).length, 3)
  assert.equal(farm.job().status, 'active')
  assert.equal(farm.work.nodes.get('a')?.lost, 1)
})

test('an attempt that has had its time and pauses its job ends what waits behind it', () => {
  const farm = setup([stepOf({ frames: 4, referenceMs: SECOND_MS })])
  given(farm, 'a')
  farm.pass(1_000, ['a'])
  assert.equal(farm.held('a').length, 2)
  farm.pass(2 * MINUTE_MS, ['a'])
  assert.deepEqual(ends(farm), ['timed_out', 'called_off'])
  assert.equal(farm.job().pause?.reason, 'no_node_left')
})

test('what was made has the time that its bytes take on a slow line, and whoever never sends it failed it', () => {
  for (const [bytes, limitMs] of [
    [1, 3 * MINUTE_MS],
    [60_000_000, 11 * MINUTE_MS],
    [4_000_000_000, HOUR_MS + 3 * MINUTE_MS],
  ] as const) {
    const farm = setup([stepOf({ frames: 1, referenceMs: SECOND_MS })])
    for (const nodeId of ['b', 'c']) farm.seat(nodeId)
    const [fence] = given(farm, 'a')
    assert.equal(farm.commit('a', fence, undefined, bytes), null)
    farm.pass(limitMs - 250, ['a', 'b', 'c'])
    assert.deepEqual(ends(farm), [])
    farm.pass(500, ['a', 'b', 'c'])
    assert.deepEqual(ends(farm), ['timed_out'])
    assert.deepEqual(farm.task(0).failedNodes, ['a'])
  }
})

const program = { kind: 'command', memoryMib: 0, vramMib: 0 }

const ends = ({ events }: TestFarm): string[] =>
  events.flatMap((event) => (event.type === 'work.attempt_ended' ? [event.how] : []))

/** Gives the node what there is for it; answers the fences that it has. */
function given(farm: TestFarm, nodeId: string): readonly number[] {
  farm.pull(nodeId)
  return farm.held(nodeId)
}

/** A job that nobody races, and a node of speed 1. */
function setup(steps: PlannedStep[], part: Partial<JobPlan> = {}): TestFarm {
  const farm = new TestFarm()
  farm.seat('a', { kinds: ['blender', 'command'] })
  farm.submit(planOf({ isIdempotent: false, steps, ...part }))
  return farm
}

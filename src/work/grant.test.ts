import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crash, planOf, TestFarm } from './test-farm.ts'
import type { JobPlan } from './work-events.ts'

test('jobs that are at their caps do not keep nodes from those behind them', () => {
  const farm = setup({ frames: 10 })
  for (let at = 0; at < 100; at++) farm.submit(planOf({ jobId: `full_${at}`, priority: 100, cap: 1n }))
  assert.deepEqual(farm.pull('a'), [0, 9])
})

test('a straggler whose copy was lost is copied again', () => {
  // What else there is to do keeps nodes from racing it unasked.
  const farm = setup({ frames: 20 }, ['slow'])
  farm.pull('slow')
  farm.pass(5_000, ['slow'])
  farm.seat('b')
  assert.deepEqual(farm.pull('b')[0], 0)
  for (const _ of farm.held('b')) farm.fail('b', { ...crash, class: 'infrastructure' })
  assert.equal(farm.task(0).fences.length, 1)
  farm.pass(250, ['slow', 'b'])
  assert.equal(farm.pull('b')[0], 0)
})

test('a node that says what it made and sends nothing is given nothing more until it owes less', () => {
  const farm = setup({ frames: 30 }, ['a'])
  for (let at = 0; at < 20; at++) {
    farm.pull('a')
    if (farm.held('a').length > 0) farm.commit('a')
  }
  const { held = [], owed = [] } = farm.work.nodes.get('a') ?? {}
  assert.equal(held.length + owed.length, 9)
  assert.deepEqual(farm.pull('a'), [])
  assert.deepEqual(farm.desk.floor.waiting(), [])
  for (const fence of owed.slice(0, 2)) assert.equal(farm.deliver('a', fence), null)
  assert.equal(farm.pull('a').length, 2)
})

test('what a node said that it made and never sent goes to others, where there are some', () => {
  const setups = [
    [['a', 'b', 'c'], ['a']],
    [['a', 'b'], []],
    [['a'], []],
  ] as const
  for (const [nodes, failedNodes] of setups) {
    const farm = setup({ frames: 1 }, [...nodes])
    farm.pull('a')
    farm.commit('a')
    // It says that it is there, and what it is, and never what it has.
    for (let second = 0; second <= 16; second++) {
      farm.pass(1_000, nodes.slice(1))
      farm.seat('a')
    }
    assert.equal(farm.work.nodes.get('a')?.lost, 1)
    assert.deepEqual(farm.task(0).failedNodes, failedNodes)
    assert.equal(farm.job().status, 'active')
  }
})

/** A job of so many frames, and nodes of speed 1. */
function setup(
  part: Partial<JobPlan> & { frames?: number },
  nodes: readonly string[] = ['a', 'b'],
): TestFarm {
  const farm = new TestFarm()
  for (const nodeId of nodes) farm.seat(nodeId)
  farm.submit(planOf(part))
  return farm
}

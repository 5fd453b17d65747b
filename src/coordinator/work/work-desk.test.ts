import assert from 'node:assert/strict'
import { test } from 'node:test'
import { subjects } from '#protocol/cell.ts'
import { planOf, stepOf, TestFloor, grantsIn } from './test-floor.ts'

test('a node that says hello is given two tasks, and the next with each that it commits', async () => {
  const floor = await setup()
  assert.equal(await floor.submit(), null)
  const [first, second] = grantsIn(await floor.hello('a'))
  assert(first && second)
  assert.deepEqual([first.params, second.params, first.engine], [{ frame: 1 }, { frame: 4 }, 'blender'])
  assert.deepEqual([first.inputRoot, first.files, first.estimateMs], ['a'.repeat(64), [], 1_000])
  const told = await floor.finish('a', first.fence)
  assert.deepEqual(
    told.map(({ kind }) => kind),
    ['answer', 'grant', 'answer'],
  )
  assert.equal(floor.job().spent, 1_000n)
})

async function setup() {
  return TestFloor.open()
}

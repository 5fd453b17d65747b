import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TreeFile } from '#blobs/tree.ts'
import { RememberedTrees } from './remembered-trees.ts'

test('trees are kept while all their files together are few enough, the ones used last longest', async () => {
  const { trees } = await setup()
  const large = Array.from({ length: 60_000 }, (_, at) => fileOf(`f${at}`, 'a'))
  for (const name of ['1', '2', '3']) trees.remember(name, large)
  assert.deepEqual(trees.whole(), ['1', '2', '3'])
  assert.equal(trees.filesOf('1')?.length, 60_000)
  trees.remember('4', large)
  assert.deepEqual(trees.whole(), ['3', '1', '4'])
  // One alone stays, however many it has.
  trees.remember(
    '5',
    Array.from({ length: 300_000 }, (_, at) => fileOf(`f${at}`, 'a')),
  )
  assert.deepEqual(trees.whole(), ['5'])
})

test('a content is looked for once, whatever names it has', async () => {
  const { trees, looks } = await setup()
  trees.remember('1', [fileOf('x', 'a'), fileOf('y', 'a'), fileOf('z', 'b')])
  assert.deepEqual(trees.whole(), ['1'])
  assert.deepEqual(looks, ['a', 'b'])
})

const fileOf = (path: string, sha256: string): TreeFile => ({ path, sha256, bytes: 1 }) as unknown as TreeFile

async function setup() {
  const looks: string[] = []
  const trees = await RememberedTrees.open({
    cache: {
      has(sha256) {
        looks.push(sha256)
        return true
      },
      pathOf: (sha256) => sha256,
    },
    taskFiles: {
      readWhole: async () => null,
      writeNew: async () => undefined,
      removeFolder: async () => undefined,
    } as never,
    file: 'trees.json',
  })
  return { trees, looks }
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeInflate } from '#host/node/node-inflate.ts'
import { nodeTaskFiles } from '#host/node/node-task-files.ts'
import { readPicture } from '#images/read-picture.ts'
import { writeExr } from '#images/write-exr.ts'
import { Problem } from '#protocol/problem.ts'
import { failureClassOf } from '#protocol/task-failure.ts'
import { BlenderSettings } from './blender-messages.ts'
import { runTask } from './run-task.ts'

test('parts are merged one after the other, by how many samples they have', async () => {
  const { merge, written } = setup({ 'a.exr': part(2, 2, 1), 'b.exr': part(2, 2, 5) })
  const done = await merge('a.exr=1;b.exr=3')
  assert.deepEqual([done.notes['samples'], done.files[0]?.name], [4, 'frame-0001.png'])
  const merged = readPicture(written['/out/merged.exr'] ?? new Uint8Array(), nodeInflate)
  assert.deepEqual(Array.from(merged.values), Array(12).fill(4))
})

test('a part that is too large, or of another size than the others, is told as whose fault it is', async () => {
  const parts = {
    'a.exr': part(2, 2, 1),
    'other.exr': part(3, 2, 1),
    'large.exr': saying(4_096, 4_096),
    'huge.exr': saying(8_192, 8_192),
    'text.exr': new TextEncoder().encode('no picture'),
  }
  const { merge } = setup(parts, { memoryBytesMax: 2 ** 30 })
  const rows: readonly (readonly [file: string, fault: string, message: RegExp])[] = [
    ['other.exr', 'task', /other\.exr cannot be merged: it is 3 x 2 .* another part 2 x 2/],
    ['large.exr', 'node', /4096 x 4096, more than a task has memory for here/],
    ['text.exr', 'task', /neither PNG nor OpenEXR/],
    ['gone.exr', 'task', /There is no part gone\.exr/],
  ]
  for (const [file, fault, message] of rows) {
    const problem = await merge(`a.exr=1;${file}=1`).catch((error: unknown) => error)
    assert(problem instanceof Problem, String(problem))
    assert.match(problem.message, message)
    assert.equal(failureClassOf(problem), fault)
  }
  const { merge: mergeAnywhere } = setup(parts)
  const problem = await mergeAnywhere('huge.exr=1').catch((error: unknown) => error)
  assert(problem instanceof Problem)
  assert.deepEqual([failureClassOf(problem), problem.code], ['task', 'invalid_request'])
})

test('a task that is cancelled while it merges reads no further part', async () => {
  const files = { 'a.exr': part(2, 2, 1), 'b.exr': part(2, 2, 1), 'c.exr': part(2, 2, 1) }
  const setUp = setup(files, {
    goOn: () => {
      if (setUp.read.length === 2) throw new Problem('cancelled', 'The task was cancelled.')
    },
  })
  await assert.rejects(setUp.merge('a.exr=1;b.exr=1;c.exr=1'), { code: 'cancelled' })
  assert.deepEqual(setUp.read, ['a.exr', 'b.exr'])
})

function part(width: number, height: number, value: number): Uint8Array {
  const values = new Float32Array(width * height * 3).fill(value)
  return writeExr({ width, height, channels: 3, values, step: 0, metadata: {} })
}

/** A small file that says so of itself. */
function saying(width: number, height: number): Uint8Array {
  const bytes = part(2, 2, 1)
  const at = Buffer.from(bytes.buffer).indexOf('dataWindow') + 'dataWindow\0box2i\0'.length + 4
  const view = new DataView(bytes.buffer)
  view.setInt32(at + 8, width - 1, true)
  view.setInt32(at + 12, height - 1, true)
  return bytes
}

interface SetUpOptions {
  readonly memoryBytesMax?: number
  readonly goOn?: () => void
}

function setup(
  parts: Readonly<Record<string, Uint8Array>>,
  { memoryBytesMax, goOn = () => undefined }: SetUpOptions = {},
) {
  const read: string[] = []
  const written: Record<string, Uint8Array> = {}
  const place = {
    settings: BlenderSettings.parse({ file: 'scene.blend' }),
    places: { outInside: '/in-box', outFolder: '/out', root: '/root' },
    files: {
      ...nodeTaskFiles,
      readWhole: async (path: string) => {
        read.push(path.replace('/root/', ''))
        return parts[path.replace('/root/', '')] ?? null
      },
      writeNew: async (path: string, bytes: Uint8Array) => {
        written[path] = bytes
      },
      removeFile: async () => true,
      collect: async ({ name }: { name: string }) => ({ name, bytes: 1, sha256: 'a'.repeat(64) }),
    },
    inflate: nodeInflate,
    toFolder: '/to',
    fileBytesMax: 2 ** 30,
    memoryBytesMax: memoryBytesMax ?? null,
    goOn,
    ask: async () => ({}),
  }
  const merge = (text: string) => runTask({ do: 'merge', frame: 1, parts: text }, place)
  return { merge, read, written }
}

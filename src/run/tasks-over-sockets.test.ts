/** An agent that works off tasks at a gateway: real sockets, real files, a coordinator that the test plays. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { blenderMissing, makeScene, openEngine } from '#engines/blender/test-blender.ts'
import type { TaskEngine } from '#engines/task-engine.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { nodeInflate } from '#host/node/node-inflate.ts'
import { readPicture } from '#images/read-picture.ts'
import { createBlobClient } from './blob-client.ts'
import { openNode, openWorkCell, type WorkCell } from './test-work-cell.ts'

test('a task is given, its inputs fetched, and what it made delivered', { timeout: 30_000 }, async () => {
  await using cell = await openWorkCell()
  const inputRoot = await sendInputs(cell, { 'in/a.txt': 'first', 'b.txt': 'second' })
  cell.answersAll()
  await using _node = await openNode(cell, [joiner()])
  const hello = await cell.heard('hello')
  assert.deepEqual([hello.facts.kinds, hello.cached], [['command'], []])
  cell.grant({ fence: 1, inputRoot, settings: { between: '+' } })
  const commit = await cell.heard('commit')
  await cell.heard('deliver')
  const [file] = commit.outputs
  assert.deepEqual([commit.fence, commit.outputs.length, file?.name], [1, 1, 'joined.txt'])
  const kept = await cell.blobs.wire('key-ada').read(file?.sha256 ?? '', { from: 0, to: file?.bytes ?? 0 })
  assert.equal(new TextDecoder().decode(kept), 'second+in/first')
  const again = await cell.heard('hello', ({ cached }) => cached.length > 0)
  assert.deepEqual(again.cached, [inputRoot])
})

test('Blender renders two frames of a scene for the network', {
  skip: blenderMissing(),
  timeout: 120_000,
}, async () => {
  await using cell = await openWorkCell()
  const scene = join(cell.folder, 'scene/scene.blend')
  makeScene(scene, 'diffuse', { width: 32, height: 32, samples: 4, frames: 2 })
  const inputRoot = await sendFiles(cell, [{ path: 'scene.blend', file: scene }])
  cell.answersAll()
  const scratchFolder = join(cell.folder, 'scratch')
  mkdirSync(scratchFolder)
  await using _node = await openNode(cell, [openEngine({ scratchFolder })])
  await cell.heard('hello')
  for (const frame of [1, 2])
    cell.grant({
      fence: frame,
      inputRoot,
      engine: 'blender',
      settings: { file: 'scene.blend' },
      params: { do: 'frame', frame },
    })
  await Promise.all([1, 2].map((fence) => cell.heard('deliver', (say) => say.fence === fence)))
  const pictures = cell.said.flatMap((say) => (say.kind === 'commit' ? say.outputs : []))
  assert.deepEqual(
    pictures.map(({ name }) => name),
    ['frame-0001.png', 'frame-0002.png'],
  )
  for (const { sha256, bytes } of pictures) {
    const kept = await cell.blobs.wire('key-ada').read(sha256, { from: 0, to: bytes })
    assert.equal(readPicture(kept, nodeInflate).width, 32)
  }
})

/** Puts the texts of its inputs together, by their paths in order. */
const joiner = (): TaskEngine => ({
  kind: 'command',
  open: async ({ root, settings }) => ({
    async run({ outFolder }) {
      const names = (await readdir(root, { recursive: true, withFileTypes: true })).filter((entry) =>
        entry.isFile(),
      )
      const paths = names.map(({ parentPath, name }) => join(parentPath, name).slice(root.length + 1)).sort()
      const texts = await Promise.all(
        paths.map(
          async (path) => `${path.includes('/') ? 'in/' : ''}${await readFile(join(root, path), 'utf8')}`,
        ),
      )
      const bytes = Buffer.from(texts.join(String(settings['between'])))
      writeFileSync(join(outFolder, 'joined.txt'), bytes)
      const sha256 = Buffer.from(nodeCrypto.sha256(bytes)).toString('hex')
      const files = [{ name: 'joined.txt', bytes: bytes.length, sha256 }]
      return { files, wallMs: 5, cpuMs: 5, peakBytes: 0, notes: {} }
    },
    close: async () => undefined,
  }),
})

async function sendInputs(cell: WorkCell, texts: Readonly<Record<string, string>>): Promise<string> {
  const folder = join(cell.folder, 'send')
  mkdirSync(folder, { recursive: true })
  const files = Object.entries(texts).map(([path, text], at) => {
    const file = join(folder, String(at))
    writeFileSync(file, text)
    return { path, file }
  })
  return sendFiles(cell, files)
}

async function sendFiles(cell: WorkCell, files: readonly { path: string; file: string }[]): Promise<string> {
  const signal = new AbortController().signal
  const client = createBlobClient({
    ...{ fetch: (request) => fetch(request), baseUrl: cell.blobs.baseUrl, token: () => 'key-ada', signal },
    sleep: async () => undefined,
  })
  return (await client.sendTree(files, { signal })).sha256
}

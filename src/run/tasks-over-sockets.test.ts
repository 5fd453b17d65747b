/** An agent that works off tasks at a gateway: real sockets, real files, a coordinator that the test plays. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { blenderMissing, makeScene, openEngine } from '#engines/blender/test-blender.ts'
import type { TaskEngine } from '#engines/task-engine.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { nodeInflate } from '#host/node/node-inflate.ts'
import { readPicture } from '#images/read-picture.ts'
import { Problem } from '#protocol/problem.ts'
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

test('a cut connection costs nothing: the node goes on, and delivers when it is back', {
  timeout: 30_000,
}, async () => {
  await using cell = await openWorkCell()
  const work = Promise.withResolvers<void>()
  const began = Promise.withResolvers<void>()
  await using _node = await openNode(cell, [
    joiner(async () => {
      began.resolve()
      await work.promise
    }),
  ])
  await cell.heard('hello')
  cell.grant({ fence: 1, inputRoot: await sendInputs(cell, { 'a.txt': 'a' }) })
  await began.promise
  cell.said.length = 0
  cell.cut()
  await cell.heard('hello')
  work.resolve()
  await cell.heard('commit')
  cell.cut()
  cell.said.length = 0
  // Nobody answered before the second cut.
  const { fence } = await cell.heard('commit')
  cell.answersAll()
  await cell.heard('deliver')
  assert.equal(fence, 1)
})

test('a task that was taken away takes the node’s access with it', { timeout: 30_000 }, async () => {
  await using cell = await openWorkCell()
  const began = Promise.withResolvers<void>()
  let isAborted = false
  await using _node = await openNode(cell, [
    joiner((signal) => {
      began.resolve()
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          isAborted = true
          reject(new Problem('cancelled', 'It was cancelled.'))
        })
      })
    }),
  ])
  await cell.heard('hello')
  const tokens: string[] = []
  const inputRoot = await sendInputs(cell, { 'a.txt': 'a' })
  cell.onToken((token) => tokens.push(token))
  cell.grant({ fence: 1, inputRoot })
  await began.promise
  const [token = ''] = tokens
  const wire = cell.blobs.wire(token)
  assert.ok((await wire.read(inputRoot, { from: 0, to: 10 })).length > 0)
  cell.order({ kind: 'cancel', fence: 1 })
  cell.said.length = 0
  await cell.heard('beat', ({ held }) => held.length === 0)
  assert.equal(isAborted, true)
  await assert.rejects(wire.read(inputRoot, { from: 0, to: 10 }), /not this key's to see/)
  await assert.rejects(wire.unknownOf([inputRoot]), /This grant is for other calls/)
})

for (const [what, files, message] of [
  ['leads out of its folder', [{ path: '../../escape.txt' }], /leads out of its folder/],
  ['begins at the root of the disk', [{ path: '/etc/cron.d/evil' }], /begins at the root of the disk/],
  ['is a file and a folder', [{ path: 'a' }, { path: 'a/b' }], /is a file and a folder/],
  ['lies about its length', [{ path: 'a.txt', bytes: 5_000 }], /has 1 bytes, and its list says 5000/],
] as const)
  test(`a file that ${what} is not put anywhere, and the task is told to be at fault`, {
    timeout: 30_000,
  }, async () => {
    await using cell = await openWorkCell()
    cell.answersAll()
    await using _node = await openNode(cell, [joiner()])
    await cell.heard('hello')
    const sha256 = await sendObject(cell, 'x')
    cell.grant({ fence: 1, files: files.map((file) => ({ bytes: 1, sha256, ...file })) })
    const { failure } = await cell.heard('fail')
    assert.equal(failure.class, 'task')
    assert.match(failure.message, message)
    assert.deepEqual(readdirSync(join(cell.folder, 'node/inputs')), [])
    assert.equal(existsSync(join(cell.folder, 'escape.txt')), false)
  })

test('files of other steps lie where the task is to find them', { timeout: 30_000 }, async () => {
  await using cell = await openWorkCell()
  cell.answersAll()
  await using _node = await openNode(cell, [joiner()])
  await cell.heard('hello')
  const inputRoot = await sendInputs(cell, { 'z.txt': 'tree' })
  const files = [{ path: 'frames/1.txt', bytes: 5, sha256: await sendObject(cell, 'first') }]
  cell.grant({ fence: 1, inputRoot, files, settings: { between: ' ' } })
  const { outputs } = await cell.heard('commit')
  const kept = cell.blobs.wire('key-ada')
  await cell.heard('deliver')
  const text = await kept.read(outputs[0]?.sha256 ?? '', { from: 0, to: outputs[0]?.bytes ?? 0 })
  assert.equal(new TextDecoder().decode(text), 'in/first tree')
})

test('inputs that find no room are no fault of the task, and the sentence says what to do', {
  timeout: 30_000,
}, async () => {
  await using cell = await openWorkCell()
  cell.answersAll()
  await using _node = await openNode(cell, [joiner()], { bytesMax: 2_000 })
  await cell.heard('hello')
  cell.grant({ fence: 1, inputRoot: await sendInputs(cell, { 'big.txt': 'x'.repeat(5_000) }) })
  const { failure } = await cell.heard('fail')
  assert.deepEqual([failure.class, failure.signature.split(':')[0]], ['node', 'disk_full'])
  assert.match(failure.message, /Give it more, or take smaller jobs/)
})

test('a node that is killed while it sends leaves nothing half, and the next sends only what is missing', {
  timeout: 60_000,
}, async (t) => {
  const sending = Promise.withResolvers<void>()
  let packs = 0
  await using cell = await openWorkCell({
    onExchange({ target }) {
      if (target !== '/api/blobs/packs') return
      packs += 1
      if (packs === 3) sending.resolve()
    },
  })
  cell.answersAll()
  const start = () => {
    const { wsUrl, folder, blobs } = cell
    const args = [
      join(import.meta.dirname, 'test-work-node-main.ts'),
      JSON.stringify({ wsUrl, folder, blobs: { baseUrl: blobs.baseUrl } }),
    ]
    const child = spawn(process.execPath, args, { stdio: 'inherit' })
    t.after(() => child.kill('SIGKILL'))
    return child
  }
  const params = { seed: 5, bytes: 24 * 2 ** 20 }
  const first = start()
  await cell.heard('hello')
  cell.grant({ fence: 1, params })
  const commit = await cell.heard('commit')
  await sending.promise
  first.kill('SIGKILL')
  const sha256 = commit.outputs[0]?.sha256 ?? ''
  await assert.rejects(cell.blobs.wire('key-ada').chunksOf(sha256), /no object/)
  const before = packs
  cell.said.length = 0
  start()
  await cell.heard('hello')
  cell.order({ kind: 'cancel', fence: 1 })
  cell.grant({ fence: 2, params })
  await cell.heard('deliver', ({ fence }) => fence === 2)
  const list = await cell.blobs.wire('key-ada').chunksOf(sha256)
  assert.equal(list.bytes, params.bytes)
  assert.ok(packs - before < 6, `${packs - before} messages of 4 MiB of 24 MiB were sent again`)
  cell.said.length = 0
  await cell.heard('beat', ({ held }) => held.length === 0)
  assert.deepEqual(readdirSync(join(cell.folder, 'node/outputs')), [], 'what the first left is gone')
})

/** Puts the texts of its inputs together, by their paths in order. */
const joiner = (wait: (signal: AbortSignal) => Promise<void> = async () => undefined): TaskEngine => ({
  kind: 'command',
  open: async ({ root, settings }) => ({
    async run({ outFolder }, _onProgress, signal) {
      await wait(signal)
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
  return (await clientOf(cell, signal).sendTree(files, { signal })).sha256
}

async function sendObject(cell: WorkCell, text: string): Promise<string> {
  const file = join(cell.folder, 'object')
  writeFileSync(file, text)
  const signal = new AbortController().signal
  return clientOf(cell, signal).sendFile(file, { signal })
}

const clientOf = (cell: WorkCell, signal: AbortSignal) =>
  createBlobClient({
    ...{
      fetch: (request: Request) => fetch(request),
      baseUrl: cell.blobs.baseUrl,
      token: () => 'key-ada',
      signal,
    },
    sleep: async () => undefined,
  })

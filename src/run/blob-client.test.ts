import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { type BlobServerOptions, openBlobServer, wireParts } from '#gateway/blobs/test-blob-server.ts'
import { createRandom } from '#kernel/random.ts'
import { createBlobClient } from './blob-client.ts'
import { syntheticScene } from './test-synthetic-scene.ts'

const small = { objects: 300, verticesEach: 400 }

test('a scene saved by another run, with one object edited, sends little, compressed or not', async (t) => {
  const { send, fetched } = await setup(t)
  const first = syntheticScene({ ...small, run: 1, edited: null })
  const second = syntheticScene({ ...small, run: 2, edited: 100 })
  const saves = {
    plain: (bytes: Buffer) => bytes,
    zstd: (bytes: Buffer) => bytesInFrames(bytes),
    gzip: (bytes: Buffer) => gzipSync(bytes, { level: 1 }),
  }
  for (const [name, pack] of Object.entries(saves)) {
    await send({ 'scene.blend': pack(first) })
    const { files, progress } = await send({ 'scene.blend': pack(second) })
    assert.equal(files[0]?.form, 'blend1', name)
    assert.ok(
      progress.newBytes < progress.totalBytes * 0.05,
      `${name}: ${progress.newBytes} of ${progress.totalBytes}`,
    )
    assert.deepEqual(await fetched(files[0]), second, name)
  }
})

test('whatever is in a file, it comes back as it was', async (t) => {
  const { send, fetched } = await setup(t)
  const scene = syntheticScene({ ...small, objects: 20, run: 3, edited: null })
  const marked = Buffer.from(scene)
  // What looks like a token already.
  marked.writeUInt32LE(0x5b1e0001, 3_000)
  const random = createRandom(5)
  const harmed = Array.from({ length: 20 }, () => {
    const bytes = Buffer.from(scene)
    for (let count = 0; count < 20; count++) bytes[random.int(bytes.length)] = random.int(256)
    return bytes
  })
  const odd = [
    marked,
    scene.subarray(0, 50_000),
    scene.subarray(0, 12),
    scene.subarray(0, scene.length - 3),
    Buffer.from('BLENDER-v304'),
    Buffer.from('BLENDER'),
    Buffer.alloc(0),
    Buffer.from([0x1f, 0x8b, 1, 2, 3]),
    Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 9]),
    gzipSync('no scene at all'),
    Buffer.concat([scene, randomBytes(333)]),
    ...harmed,
  ]
  for (const [index, bytes] of odd.entries()) {
    const { files } = await send({ 'scene.blend': bytes })
    assert.deepEqual(await fetched(files[0]), bytes, `number ${index}`)
  }
})

test('a compressed scene that is cut off is told, and nothing is left behind', async (t) => {
  const { send, dir } = await setup(t)
  const packed = bytesInFrames(syntheticScene({ ...small, objects: 900, run: 1, edited: null }))
  await assert.rejects(send({ 'scene.blend': packed.subarray(0, packed.length >> 1) }), {
    code: 'invalid_request',
    message: /damaged or cut off/,
  })
  assert.deepEqual(
    readdirSync(dir).filter((name) => name.endsWith('.tmp')),
    [],
  )
})

test('paths that lead out of the folder, or to one place twice, are refused by name', async (t) => {
  const { send } = await setup(t)
  const refused = [
    '../a',
    '/etc/passwd',
    'a/../../b',
    'a\\b',
    'C:a',
    'a//b',
    'nul.png',
    'a/./b',
    'x.',
    'a\nb',
    '',
  ]
  for (const path of refused)
    await assert.rejects(send({ [path]: Buffer.from('x') }), { code: 'invalid_request' }, path)
  const twice = { 'Tex.png': Buffer.from('1'), 'tex.PNG': Buffer.from('2') }
  await assert.rejects(send(twice), { message: /'tex\.PNG' and 'Tex\.png' are one place/ })
  await assert.rejects(send({ a: Buffer.from('1'), 'a/b': Buffer.from('2') }), {
    message: /a file and a folder/,
  })
})

test('a file that is not there is named before anything is sent', async (t) => {
  const { client, dir } = await setup(t)
  const sent = client.sendTree([{ path: 'a.png', file: join(dir, 'none.png') }], {
    signal: AbortSignal.timeout(9_000),
  })
  await assert.rejects(sent, { code: 'invalid_request', message: /There is no file .*none\.png/ })
})

test('a scene of 600 files arrives whole, whatever the number under way may be, and few of them are open at once', async (t) => {
  const { send, dir, wire, opened } = await setup(t)
  const contents = Object.fromEntries(
    Array.from({ length: 600 }, (_, at) => [`cache/${at}.bphys`, Buffer.from(`of frame ${at}`)]),
  )
  const { sha256, files, progress } = await send(contents)
  assert.equal(files.length, 600)
  assert.equal(progress.newBytes, progress.totalBytes)
  assert.equal(progress.doneBytes, progress.totalBytes)
  const unknown = await wire.unknownOf([sha256, ...files.map(({ object }) => object)])
  assert.deepEqual([...unknown], [])
  assert.ok(opened() < 40, `${opened()} files were open`)
  // Broken off before: what arrived is not sent again.
  assert.equal((await send(contents)).progress.newBytes, 0)
  assert.deepEqual(
    readdirSync(dir).filter((name) => name.endsWith('.tmp')),
    [],
  )
})

test('no room for a scene of many files is told before any of it is sent; an edited one needs little', async (t) => {
  let packs = 0
  const { send } = await setup(t, {
    quotaBytes: 30_000_000,
    onExchange: ({ target }) => {
      if (target.endsWith('/packs')) packs++
    },
  })
  const pictures = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`${at}.png`, randomBytes(400_000)]))
  const scene = pictures(50)
  await send(scene)
  packs = 0
  await assert.rejects(send(pictures(50)), { code: 'storage_limited', message: /needs 19\.1 MiB more/ })
  assert.equal(packs, 0)
  const edited = Object.fromEntries(
    Object.entries(scene).map(([path, bytes]) => [path, Buffer.concat([bytes, Buffer.from('edited')])]),
  )
  const { progress } = await send(edited)
  assert.ok(progress.newBytes < 9_000_000, `${progress.newBytes} bytes`)
  assert.equal(progress.doneBytes, progress.newBytes)
})

test('more files than a list may name are told before one of them is read', async (t) => {
  const { client, dir } = await setup(t)
  const files = Array.from({ length: 20_001 }, (_, at) => ({ path: `${at}.vdb`, file: join(dir, 'none') }))
  await assert.rejects(client.sendTree(files, { signal: AbortSignal.timeout(9_000) }), {
    code: 'invalid_request',
    message: /These are 20001 files, more than one list may name: at most 20000/,
  })
})

/** As Blender writes them: several frames, and a table that is to be skipped. */
function bytesInFrames(bytes: Buffer): Buffer {
  const frames: Buffer[] = []
  for (let at = 0; at < bytes.length; at += 1 << 20)
    frames.push(zstdCompressSync(bytes.subarray(at, at + (1 << 20))))
  const table = Buffer.alloc(8 + 17, 7)
  table.writeUInt32LE(0x184d2a5e, 0)
  table.writeUInt32LE(17, 4)
  return Buffer.concat([...frames, table])
}

async function setup(t: TestContext, options: Partial<BlobServerOptions> = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'shoal-client-'))
  let openMax = 0
  const server = await openBlobServer({ folder: join(dir, 'store'), ...options })
  t.after(async () => {
    await server.close()
    rmSync(dir, { recursive: true })
  })
  const client = createBlobClient({ ...wireParts(server.baseUrl), token: () => 'key-ada' }, dir)
  const onProgress = (): void => {
    openMax = Math.max(openMax, ownFilesOpen(dir))
  }
  const watch = { signal: AbortSignal.timeout(60_000), onProgress }
  let count = 0
  type Sent = Awaited<ReturnType<typeof client.sendTree>>
  return {
    dir,
    client,
    wire: server.wire(),
    /** The most files of the folder that were open at once, as far as was seen. */
    opened: () => openMax,
    send: (contents: Readonly<Record<string, Buffer>>) => {
      const files = Object.entries(contents).map(([path, bytes]) => {
        const file = join(dir, `${++count}.blend`)
        writeFileSync(file, bytes)
        return { path, file }
      })
      return client.sendTree(files, watch)
    },
    async fetched(file: Sent['files'][number] | undefined) {
      assert.ok(file)
      const path = join(dir, `out-${++count}`)
      await client.fetchFile(file, path, watch)
      return readFileSync(path)
    },
  }
}

/** Files below `folder`, but for those of the server, that this process has open; none where the system does not say. */
function ownFilesOpen(folder: string): number {
  const table = '/proc/self/fd'
  if (!existsSync(table)) return 0
  const paths = readdirSync(table).map((name) => {
    try {
      return readlinkSync(join(table, name))
    } catch {
      // The table itself, closed by now.
      return ''
    }
  })
  return paths.filter((path) => path.startsWith(folder) && !path.startsWith(join(folder, 'store'))).length
}

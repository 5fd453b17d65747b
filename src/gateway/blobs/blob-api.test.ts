import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { chunkListOf, hexOf } from '#blobs/chunk-list.ts'
import { PACK_BYTES_MAX, writePack } from '#blobs/pack.ts'
import { writeTree } from '#blobs/tree.ts'
import { downloadObject } from '#host/blobs/download-object.ts'
import { scanObject } from '#host/blobs/scan-object.ts'
import { uploadObjects } from '#host/blobs/upload-objects.ts'
import { nodeCompression } from '#host/node/node-compression.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { createNodeFileAccess } from '#host/node/node-file-access.ts'
import { createNodeHasher } from '#host/node/node-hasher.ts'
import { type BlobServerOptions, openBlobServer } from './test-blob-server.ts'

test('what is uploaded comes back, whole, by range, and is not sent twice', async (t) => {
  const { upload, server, download, get } = await setup(t)
  const bytes = randomBytes(9_000_000)
  const first = await upload(bytes)
  assert.equal(first.progress.newBytes, bytes.length)
  const again = await upload(bytes)
  assert.deepEqual([again.progress.newBytes, again.progress.wireBytes], [0, 0])
  assert.deepEqual(await download(first.sha256), bytes)
  const part = await get(first.sha256, { range: 'bytes=1000-1999' })
  assert.equal(part.status, 206)
  assert.equal(part.headers.get('content-range'), `bytes 1000-1999/${bytes.length}`)
  assert.deepEqual(Buffer.from(await part.arrayBuffer()), bytes.subarray(1000, 2000))
  const whole = await get(first.sha256)
  assert.deepEqual(Buffer.from(await whole.arrayBuffer()), bytes)
  assert.equal((await server.wire().usage()).objectCount, 1)
})

test('an edit sends what is around it alone', async (t) => {
  const { upload } = await setup(t)
  const bytes = randomBytes(8_000_000)
  await upload(bytes, true)
  const edited = Buffer.concat([
    bytes.subarray(0, 3_000_000),
    Buffer.from('inserted'),
    bytes.subarray(3_000_000),
  ])
  const { progress } = await upload(edited, true)
  assert.ok(progress.newBytes > 0 && progress.newBytes < 80_000, `${progress.newBytes} bytes`)
})

test('an empty object, and one that repeats itself', async (t) => {
  const { upload, download } = await setup(t)
  for (const bytes of [Buffer.alloc(0), Buffer.alloc(3_000_000, 7)]) {
    const { sha256 } = await upload(bytes, true)
    assert.deepEqual(await download(sha256), bytes)
  }
})

test('what is kept is there after a restart, and an object that lost a chunk is none', async (t) => {
  const { upload, restart, folder, server } = await setup(t)
  const whole = await upload(randomBytes(100_000))
  const broken = await upload(randomBytes(5_000_000))
  const packs = readdirSync(folder).filter((name) => name.startsWith('pack.'))
  // The largest pack is the second object's.
  const sized = packs.map((name) => ({ name, size: readFileSync(join(folder, name)).length }))
  const { name = '' } = sized.toSorted((a, b) => b.size - a.size)[0] ?? {}
  rmSync(join(folder, name))
  await server.close()
  const next = await restart()
  const unknown = await next.wire().unknownOf([whole.sha256, broken.sha256])
  assert.deepEqual([...unknown], [broken.sha256])
})

test('a chunk that rotted on the disk is told, and healed by the next upload', async (t) => {
  const { upload, folder, server, get, download } = await setup(t)
  const bytes = randomBytes(400_000)
  const { sha256 } = await upload(bytes)
  const name = readdirSync(folder).find((file) => file.startsWith('pack.')) ?? ''
  const pack = readFileSync(join(folder, name))
  pack[pack.length - 10] = (pack[pack.length - 10] ?? 0) ^ 1
  writeFileSync(join(folder, name), pack)
  const answer = await get(sha256)
  assert.match(await answer.text(), /Chunk \d+ of \d+ is damaged/)
  await server.vault.exclusive('ada', async () => undefined)
  assert.deepEqual([...(await server.wire().unknownOf([sha256]))], [sha256])
  const { progress } = await upload(bytes)
  assert.ok(progress.newBytes < bytes.length)
  assert.deepEqual(await download(sha256), bytes)
})

test('quota: refused in one sentence before a byte of it is sent', async (t) => {
  let packs = 0
  const { upload, server } = await setup(t, {
    quotaBytes: 1_000_000,
    onExchange: ({ target }) => {
      if (target.endsWith('/packs')) packs++
    },
  })
  await upload(randomBytes(600_000))
  packs = 0
  await assert.rejects(upload(randomBytes(600_000)), {
    code: 'storage_limited',
    message: /needs 0.6 MiB more/,
  })
  assert.equal(packs, 0)
  // Whoever sends without asking is refused too.
  const chunk = randomBytes(900_000)
  const list = chunkListOf([{ hash: nodeCrypto.sha256(chunk), length: chunk.length }])
  const pack = await nodeCompression.zstd(writePack(list, [chunk]))
  await assert.rejects(server.wire().sendPack(pack), { code: 'storage_limited' })
  assert.equal((await server.wire('key-bob').usage()).usedBytes, 0)
})

test('another organisation’s object is as unknown as none, by every call', async (t) => {
  const { upload, server, get } = await setup(t)
  const { sha256, list } = await upload(randomBytes(50_000))
  const bob = server.wire('key-bob')
  assert.deepEqual([...(await bob.unknownOf([sha256]))], [sha256])
  await assert.rejects(bob.chunksOf(sha256), { code: 'not_found' })
  await assert.rejects(bob.delete(sha256), { code: 'not_found' })
  await assert.rejects(bob.commit(sha256), { code: 'not_found' })
  assert.equal((await get(sha256, { authorization: 'Bearer key-bob' })).status, 404)
  // Its chunks have to be sent as if nobody had them.
  assert.equal((await bob.begin(sha256, list)).count, list.count)
  assert.notEqual(await bob.commit(sha256), null)
})

test('what is only kept of a job its owner may delete, and not what a job in memory needs', async (t) => {
  const needed = { live: '', kept: '' }
  const { upload, server } = await setup(t, {
    async rootsOf(_, { liveOnly = false } = {}) {
      const hashes = liveOnly ? [needed.live] : [needed.live, needed.kept]
      return hashes.map((sha256) => ({ kind: 'object', sha256 }))
    },
  })
  needed.live = (await upload(randomBytes(1_000))).sha256
  needed.kept = (await upload(randomBytes(1_000))).sha256
  await assert.rejects(server.wire().delete(needed.live), {
    code: 'conflict',
    message: /A job or a quote needs .* a day after the job is done/,
  })
  await server.wire().delete(needed.kept)
  assert.deepEqual([...(await server.wire().unknownOf([needed.live, needed.kept]))], [needed.kept])
})

test('keys that may read may not write, and nobody comes without one', async (t) => {
  const { upload, server, get } = await setup(t)
  const { sha256 } = await upload(randomBytes(1_000))
  const viewer = server.wire('key-ada-viewer')
  assert.equal((await viewer.chunksOf(sha256)).bytes, 1_000)
  await assert.rejects(viewer.delete(sha256), { code: 'scope_missing' })
  assert.equal((await get(sha256, { authorization: 'Bearer nonsense' })).status, 401)
})

test('a node reads what its grant names as long as it has the task, and writes results without learning anything', async (t) => {
  let hasTask = false
  const { upload, server } = await setup(t, { mayNode: () => hasTask })
  const texture = await upload(randomBytes(30_000))
  const secret = await upload(randomBytes(30_000))
  const files = [
    {
      path: 'a/t.png',
      bytes: 30_000,
      sha256: texture.sha256,
      form: 'plain' as const,
      object: texture.sha256,
    },
  ]
  const tree = await upload(Buffer.from(writeTree(files)))
  const grant = {
    organisationId: 'ada',
    nodeId: 'node_1',
    read: [{ kind: 'tree' as const, sha256: tree.sha256 }],
    mayWrite: true,
    expiresAtMs: Date.now() + 60_000,
  }
  const node = server.wire(server.access.grant(grant))
  await assert.rejects(node.chunksOf(tree.sha256), { code: 'not_found' })
  hasTask = true
  assert.equal((await node.chunksOf(tree.sha256)).count, 1)
  assert.equal((await node.chunksOf(texture.sha256)).bytes, 30_000)
  await assert.rejects(node.chunksOf(secret.sha256), { code: 'not_found' })
  await assert.rejects(node.delete(texture.sha256), { code: 'scope_missing' })
  // It cannot find out what else is there, by whole or by chunk.
  assert.deepEqual([...(await node.unknownOf([secret.sha256]))], [secret.sha256])
  assert.equal((await node.begin(secret.sha256, secret.list)).count, secret.list.count)
  const result = await upload(randomBytes(70_000), false, server.access.grant(grant))
  assert.equal((await server.wire().chunksOf(result.sha256)).bytes, 70_000)
  const late = server.wire(server.access.grant({ ...grant, expiresAtMs: Date.now() - 1 }))
  await assert.rejects(late.chunksOf(tree.sha256), { code: 'invalid_api_key' })
  const forged = server.access.grant(grant).replace(/.$/, (last) => (last === '0' ? '1' : '0'))
  await assert.rejects(server.wire(forged).chunksOf(tree.sha256), { code: 'invalid_api_key' })
})

test('garbage is refused in one sentence each, and keeps nothing', async (t) => {
  const { server, folder } = await setup(t)
  const wire = server.wire()
  const chunk = randomBytes(5_000)
  const wrong = chunkListOf([{ hash: nodeCrypto.sha256(randomBytes(3)), length: chunk.length }])
  const bomb = await nodeCompression.zstd(new Uint8Array(PACK_BYTES_MAX * 64))
  const odd = chunkListOf([{ hash: nodeCrypto.sha256(chunk), length: chunk.length }])
  const cut = writePack(odd, [chunk]).subarray(0, 4_000)
  await assert.rejects(wire.sendPack(bomb), { code: 'body_too_large' })
  await assert.rejects(wire.sendPack(randomBytes(2_000)), {
    code: 'invalid_request',
    message: /decompressed/,
  })
  const packs = [
    [writePack(wrong, [chunk]), /Chunk 1 of the 1/],
    [cut, /length wrong/],
    [new Uint8Array(2), /too short/],
  ] as const
  for (const [pack, message] of packs)
    await assert.rejects(wire.sendPack(await nodeCompression.zstd(pack)), {
      code: 'invalid_request',
      message,
    })
  const huge = Buffer.alloc(4)
  huge.writeUInt32LE(0xffffffff)
  await assert.rejects(wire.sendPack(await nodeCompression.zstd(huge)), { message: /too short/ })
  assert.deepEqual(
    readdirSync(folder).filter((name) => name !== 'temporary'),
    [],
  )
  assert.deepEqual(readdirSync(join(folder, 'temporary')), [])
  // Announced under a name that it has not.
  await wire.sendPack(await nodeCompression.zstd(writePack(odd, [chunk])))
  await wire.begin('ab'.repeat(32), odd)
  await assert.rejects(wire.commit('ab'.repeat(32)), { message: /another hash/ })
  await assert.rejects(wire.commit('../../etc/passwd'), { code: 'not_found' })
})

test('an object that fits in one pack is sent in one call, and is there or nothing changed', async (t) => {
  const { server, download, folder } = await setup(t)
  const wire = server.wire()
  const bytes = randomBytes(300_000)
  const list = chunkListOf([{ hash: nodeCrypto.sha256(bytes), length: bytes.length }])
  const sha256 = Buffer.from(nodeCrypto.sha256(bytes)).toString('hex')
  const pack = await nodeCompression.zstd(writePack(list, [bytes]))
  assert.equal(await wire.put(sha256, pack), true)
  assert.equal(await wire.put(sha256, pack), true)
  assert.deepEqual(await download(sha256), bytes)
  const before = readdirSync(folder).length
  await assert.rejects(wire.put('ab'.repeat(32), pack), { message: /another hash/ })
  await assert.rejects(wire.put(sha256, await nodeCompression.zstd(new Uint8Array(2))), {
    code: 'invalid_request',
    message: /too short/,
  })
  assert.equal(readdirSync(folder).length, before)
})

test('the same file from two sides at once is one object', async (t) => {
  const { upload, server, download } = await setup(t)
  const bytes = randomBytes(6_000_000)
  const [one] = await Promise.all([upload(bytes), upload(bytes), upload(bytes)])
  assert.deepEqual(await download(one.sha256), bytes)
  assert.equal((await server.wire().usage()).objectCount, 1)
})

test('a full disk is told as one, leaves nothing half, and is no reason to stop', async (t) => {
  const { upload, folder, download } = await setup(t, { diskBytesMax: 2_000_000 })
  const small = await upload(randomBytes(500_000))
  await assert.rejects(upload(randomBytes(5_000_000)), { code: 'disk_full' })
  assert.deepEqual(readdirSync(join(folder, 'temporary')), [])
  assert.equal((await download(small.sha256)).length, 500_000)
})

test('a chunk that comes wrong is named and fetched again; one that never comes right is told', async (t) => {
  const { upload, server, dir, files } = await setup(t)
  const bytes = randomBytes(900_000)
  const { sha256 } = await upload(bytes)
  const wire = server.wire()
  const lie = (times: number) => {
    let left = times
    return {
      ...wire,
      read: async (hash: string, range: { from: number; to: number }) => {
        const read = await wire.read(hash, range)
        if (left-- > 0) read[5] = (read[5] ?? 0) ^ 255
        return read
      },
    }
  }
  const wrong: number[] = []
  const fetchWith = async (times: number) => {
    const part = await files.openPart(join(dir, `part-${times}`))
    const watch = {
      signal: AbortSignal.timeout(20_000),
      onWrongChunk: ({ index }: { index: number }) => void wrong.push(index),
    }
    try {
      await downloadObject({ ...scanParts, wire: lie(times) }, { sha256, part }, watch)
    } finally {
      await part.close()
    }
  }
  await fetchWith(2)
  assert.deepEqual(wrong, [0, 0])
  await assert.rejects(fetchWith(99), { message: /Chunk 1 of \d+ of .* came wrong 4 times/ })
})

test('a download goes on from what is there, and from what is there wrong', async (t) => {
  const { upload, server, dir, files } = await setup(t)
  const bytes = randomBytes(9_000_000)
  const { sha256 } = await upload(bytes)
  const path = join(dir, 'part')
  const damaged = Buffer.from(bytes.subarray(0, 5_000_000))
  damaged[1_000_000] = (damaged[1_000_000] ?? 0) ^ 1
  writeFileSync(path, Buffer.concat([damaged, randomBytes(6_000_000)]))
  const part = await files.openPart(path)
  const progress = await downloadObject({ ...scanParts, wire: server.wire() }, { sha256, part }, signal())
  await part.close()
  assert.ok(progress.keptBytes > 4_000_000 && progress.keptBytes < 5_000_000)
  assert.deepEqual(readFileSync(path), bytes)
})

test('a file that changes while it is sent is told', async (t) => {
  const { server } = await setup(t)
  const bytes = randomBytes(300_000)
  const reader = readerOf(bytes)
  const scanned = await scanObject(scanParts, reader, { isFine: false, ...signal() })
  bytes.fill(0)
  const parts = { crypto: nodeCrypto, compression: nodeCompression, wire: server.wire() }
  await assert.rejects(
    uploadObjects(parts, [{ ...scanned, open: async () => reader, name: 'a.png' }], signal()),
    {
      code: 'conflict',
      message: /a\.png changed/,
    },
  )
})

const scanParts = { crypto: nodeCrypto, createHasher: createNodeHasher }
const signal = () => ({ signal: AbortSignal.timeout(60_000) })
const readerOf = (bytes: Uint8Array) => ({
  bytes: bytes.length,
  read: async (offset: number, length: number) => bytes.slice(offset, offset + length),
  close: async () => undefined,
})

async function setup(t: TestContext, options: Partial<BlobServerOptions> = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'shoal-blobs-'))
  const folder = join(dir, 'store')
  const files = createNodeFileAccess(dir)
  const opened: Awaited<ReturnType<typeof openBlobServer>>[] = []
  const restart = async () => {
    const server = await openBlobServer({ folder, ...options })
    opened.push(server)
    return server
  }
  const server = await restart()
  t.after(async () => {
    for (const one of opened) await one.close()
    rmSync(dir, { recursive: true })
  })
  return {
    dir,
    folder,
    files,
    server,
    restart,
    async upload(bytes: Buffer, isFine = false, token = 'key-ada') {
      const reader = readerOf(bytes)
      const scanned = await scanObject(scanParts, reader, { isFine, ...signal() })
      assert.equal(scanned.sha256, createHash('sha256').update(bytes).digest('hex'))
      assert.equal(hexOf(nodeCrypto.sha256(bytes)), scanned.sha256)
      const parts = { crypto: nodeCrypto, compression: nodeCompression, wire: server.wire(token) }
      const progress = await uploadObjects(
        parts,
        [{ ...scanned, open: async () => reader, name: 'it' }],
        signal(),
      )
      return { ...scanned, progress }
    },
    async download(sha256: string) {
      const part = await files.openPart(join(dir, sha256))
      await downloadObject({ ...scanParts, wire: server.wire() }, { sha256, part }, signal())
      await part.close()
      return readFileSync(join(dir, sha256))
    },
    get: (sha256: string, headers: Record<string, string> = {}) =>
      fetch(`${server.baseUrl}/api/blobs/objects/${sha256}`, {
        headers: { authorization: 'Bearer key-ada', ...headers },
      }),
  }
}

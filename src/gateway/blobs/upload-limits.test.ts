import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { chunkListOf, hexOf } from '#blobs/chunk-list.ts'
import { writePack } from '#blobs/pack.ts'
import { nodeCompression } from '#host/node/node-compression.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { type BlobServerOptions, openBlobServer } from './test-blob-server.ts'

test('a node stores what its attempt made, and takes its customer no room before it said that nor beyond it', async (t) => {
  let bytesMax = 0
  const server = await openServer(t, {
    mayNode: () => true,
    resultBytesMax: ({ nodeId, fence }) => (nodeId === 'node_1' && fence === 7 ? bytesMax : 0),
    quotaBytes: 1_000_000,
  })
  const wire = server.wire(server.grant('node_1', 7))
  const parts = Array.from({ length: 5 }, () => randomBytes(60_000))
  const listOf = (...chunks: Uint8Array[]) =>
    chunkListOf(chunks.map((chunk) => ({ hash: nodeCrypto.sha256(chunk), length: chunk.length })))
  const packOf = (chunk: Uint8Array) => nodeCompression.zstd(writePack(listOf(chunk), [chunk]))
  const [one, two, three, ...others] = parts
  assert(one && two && three)
  const begin = (...chunks: Uint8Array[]) =>
    wire.begin(hexOf(nodeCrypto.sha256(Buffer.concat(chunks))), listOf(...chunks))
  const sends = [begin(one), wire.sendPack(await packOf(one)), wire.put('a'.repeat(64), await packOf(one))]
  const unsaid = { code: 'unavailable', message: /has not said what/ }
  await Promise.all(sends.map((sent) => assert.rejects(sent, unsaid)))
  assert.equal((await server.vault.usage('ada')).usedBytes, 0)
  bytesMax = 130_000
  await begin(one, two)
  await wire.sendPack(await packOf(one))
  // Sent again it takes nothing.
  await wire.sendPack(await packOf(one))
  await begin(one, two)
  await wire.sendPack(await packOf(two))
  assert.equal(await wire.commit(hexOf(nodeCrypto.sha256(Buffer.concat([one, two])))), null)
  const tooMuch = { code: 'body_too_large', message: /of what its node said that it made 130000 may come/ }
  await assert.rejects(wire.sendPack(await packOf(three)), tooMuch)
  // Nor does it reserve the room of others.
  await assert.rejects(begin(three, ...others), tooMuch)
  assert.equal((await server.wire().begin('b'.repeat(64), listOf(randomBytes(800_000)))).count, 1)
  await assert.rejects(server.wire(server.grant('node_1', 8)).sendPack(await packOf(three)), {
    code: 'unavailable',
  })
})

test('keys that have all the uploads under way that they may keep no node from sending its results; the idle make room', async (t) => {
  let nowMs = Date.now()
  const server = await openServer(t, { mayNode: () => true, nowMs: () => nowMs })
  const begin = (number: number, token?: string) => {
    const chunk = Buffer.from(`upload ${number}`)
    const list = chunkListOf([{ hash: nodeCrypto.sha256(chunk), length: chunk.length }])
    return server.wire(token).begin(hexOf(nodeCrypto.sha256(chunk)), list)
  }
  for (let number = 0; number < 256; number++) await begin(number)
  const tooMany = { code: 'rate_limited', message: /keys have 256 uploads under way/ }
  await assert.rejects(begin(256), tooMany)
  // One that is under way already goes on.
  assert.equal((await begin(7)).count, 1)
  const bytes = randomBytes(4_000)
  const list = chunkListOf([{ hash: nodeCrypto.sha256(bytes), length: bytes.length }])
  const pack = await nodeCompression.zstd(writePack(list, [bytes]))
  const sha256 = hexOf(nodeCrypto.sha256(bytes))
  assert.equal(await server.wire(server.grant('node_1')).put(sha256, pack), true)
  // Nor does one node keep another from it, or the keys.
  for (let number = 0; number < 256; number++) await begin(number, server.grant('node_2'))
  await assert.rejects(begin(256, server.grant('node_2')), { message: /This node has 256/ })
  assert.equal((await begin(1, server.grant('node_3'))).count, 1)
  nowMs += 9 * 60_000
  await assert.rejects(begin(256), tooMany)
  assert.equal((await begin(7)).count, 1)
  nowMs += 2 * 60_000
  assert.equal((await begin(256)).count, 1)
  // What was heard of meanwhile stayed.
  const seventh = hexOf(nodeCrypto.sha256(Buffer.from('upload 7')))
  assert.equal((await server.wire().commit(seventh))?.count, 1)
  await assert.rejects(server.wire().commit(hexOf(nodeCrypto.sha256(Buffer.from('upload 8')))), {
    code: 'not_found',
  })
})

async function openServer(t: TestContext, options: Omit<BlobServerOptions, 'folder'>) {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-uploads-'))
  const server = await openBlobServer({ folder, ...options })
  t.after(async () => {
    await server.close()
    rmSync(folder, { recursive: true })
  })
  const grant = (nodeId: string, fence?: number): string => {
    const of = { organisationId: 'ada', nodeId, ...(fence !== undefined && { fence }) }
    return server.access.grant({ ...of, read: [], mayWrite: true, expiresAtMs: Date.now() + 3_600_000 })
  }
  return { ...server, grant }
}

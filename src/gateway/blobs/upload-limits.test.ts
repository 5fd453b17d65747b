import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { chunkListOf, hexOf } from '#blobs/chunk-list.ts'
import { writePack } from '#blobs/pack.ts'
import { nodeCompression } from '#host/node/node-compression.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { openBlobServer } from './test-blob-server.ts'

test('keys that have all the uploads under way that they may keep no node from sending its results; the idle make room', async (t) => {
  let nowMs = Date.now()
  const folder = mkdtempSync(join(tmpdir(), 'shoal-uploads-'))
  const server = await openBlobServer({ folder, mayNode: () => true, nowMs: () => nowMs })
  t.after(async () => {
    await server.close()
    rmSync(folder, { recursive: true })
  })
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
  const grant = (nodeId: string) =>
    server.access.grant({
      organisationId: 'ada',
      nodeId,
      read: [],
      mayWrite: true,
      expiresAtMs: nowMs + 3_600_000,
    })
  const bytes = randomBytes(4_000)
  const list = chunkListOf([{ hash: nodeCrypto.sha256(bytes), length: bytes.length }])
  const pack = await nodeCompression.zstd(writePack(list, [bytes]))
  const sha256 = hexOf(nodeCrypto.sha256(bytes))
  assert.equal(await server.wire(grant('node_1')).put(sha256, pack), true)
  // Nor does one node keep another from it, or the keys.
  for (let number = 0; number < 256; number++) await begin(number, grant('node_2'))
  await assert.rejects(begin(256, grant('node_2')), { message: /This node has 256/ })
  assert.equal((await begin(1, grant('node_3'))).count, 1)
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

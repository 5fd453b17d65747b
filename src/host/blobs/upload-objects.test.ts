import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chunkListOf } from '#blobs/chunk-list.ts'
import { nodeCompression } from '#host/node/node-compression.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { Problem } from '#protocol/problem.ts'
import type { BlobWire } from './blob-wire.ts'
import { uploadObjects } from './upload-objects.ts'

test('an upload that the network forgot in a restart is begun again, and not for ever', async () => {
  const calls: string[] = []
  const run = (forgets: number) => {
    calls.length = 0
    let left = forgets
    const wire = {
      unknownOf: (hashes: readonly string[]) => Promise.resolve(new Set(hashes)),
      begin() {
        calls.push('begin')
        return Promise.resolve({ bits: new Uint8Array(1), count: 0, bytes: 0 })
      },
      commit() {
        calls.push('commit')
        return left-- > 0
          ? Promise.reject(new Problem('not_found', 'No upload is under way.'))
          : Promise.resolve(null)
      },
    } as unknown as BlobWire
    const open = () => Promise.reject(new Error('there is nothing to read'))
    const object = { sha256: 'ab'.repeat(32), list: chunkListOf([]), open, name: 'frame.png' }
    const parts = { wire, compression: nodeCompression, crypto: nodeCrypto }
    return uploadObjects(parts, [object], { signal: new AbortController().signal })
  }
  await run(1)
  assert.deepEqual(calls, ['begin', 'commit', 'begin', 'commit'])
  await assert.rejects(run(99), { code: 'unavailable' })
})

test('many objects are under way a batch at a time, and each is closed again', async () => {
  let [underWay, underWayMax, open, openMax] = [0, 0, 0, 0]
  const wire = {
    unknownOf: (hashes: readonly string[]) => Promise.resolve(new Set(hashes)),
    usage: () => Promise.resolve({ usedBytes: 0, quotaBytes: 1e9, objectCount: 0 }),
    begin() {
      underWayMax = Math.max(underWayMax, ++underWay)
      return Promise.resolve({ bits: new Uint8Array([1]), count: 1, bytes: 2_000_000 })
    },
    sendPack: () => Promise.resolve(),
    commit() {
      underWay--
      return Promise.resolve(null)
    },
  } as unknown as BlobWire
  const objects = Array.from({ length: 100 }, (_, at) => {
    const bytes = new Uint8Array(900_000).fill(at)
    return {
      sha256: `${at}`.padStart(64, '0'),
      list: chunkListOf([{ hash: nodeCrypto.sha256(bytes), length: bytes.length }]),
      name: `${at}.png`,
      open: async () => {
        openMax = Math.max(openMax, ++open)
        return {
          bytes: bytes.length,
          read: async () => bytes,
          close: async () => void open--,
        }
      },
    }
  })
  const parts = { wire, compression: nodeCompression, crypto: nodeCrypto }
  const progress: number[] = []
  await uploadObjects(parts, objects, {
    signal: new AbortController().signal,
    onProgress: ({ newBytes }) => progress.push(newBytes),
  })
  assert.ok(underWayMax <= 32, `${underWayMax} were under way`)
  assert.deepEqual([underWay, open], [0, 0])
  assert.ok(openMax <= 2, `${openMax} were open`)
  // What is not announced yet counts in full.
  assert.equal(progress[0], 32 * 2_000_000 + 68 * 900_000)
  assert.equal(progress.at(-1), 100 * 2_000_000)
})

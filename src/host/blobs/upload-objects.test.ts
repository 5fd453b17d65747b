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
    const reader = { close: () => Promise.resolve() } as never
    const object = { sha256: 'ab'.repeat(32), list: chunkListOf([]), reader, name: 'frame.png' } as never
    const parts = { wire, compression: nodeCompression, crypto: nodeCrypto }
    return uploadObjects(parts, [object], { signal: new AbortController().signal })
  }
  await run(1)
  assert.deepEqual(calls, ['begin', 'commit', 'begin', 'commit'])
  await assert.rejects(run(99), { code: 'unavailable' })
})

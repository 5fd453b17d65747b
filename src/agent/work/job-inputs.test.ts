import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openBlobServer } from '#gateway/blobs/test-blob-server.ts'
import { keepObject } from '#gateway/blobs/test-vault.ts'
import { nodeClock } from '#host/node/node-clock.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { createNodeFileAccess } from '#host/node/node-file-access.ts'
import { createNodeHasher } from '#host/node/node-hasher.ts'
import { nodeTaskFiles } from '#host/node/node-task-files.ts'
import { BlobCache } from '../blob-cache.ts'
import { openJobInputs } from './job-inputs.ts'

test('how much of a large file is here is told while it comes, so that nobody takes its node for one that hangs', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'shoal-inputs-'))
  const server = await openBlobServer({ folder: join(dir, 'store') })
  t.after(async () => {
    await server.close()
    rmSync(dir, { recursive: true })
  })
  const bytes = 10_000_000
  const sha256 = await keepObject(server.vault, randomBytes(bytes))
  const files = createNodeFileAccess(join(dir, 'temporary'))
  const disk = { files, clock: nodeClock, crypto: nodeCrypto, createHasher: createNodeHasher }
  const cache = await BlobCache.open({ ...disk, folder: join(dir, 'cache'), bytesMax: 1e9 })
  const inputs = await openJobInputs({
    ...{ cache, files, taskFiles: nodeTaskFiles, clock: nodeClock },
    folder: join(dir, 'inputs'),
    wireFor: () => server.wire(),
  })
  const told: number[] = []
  const held = await inputs.obtain(
    { fence: 1, inputRoot: null, files: [{ path: 'cache.vdb', bytes, sha256 }] },
    {
      token: () => '',
      signal: AbortSignal.timeout(20_000),
      onProgress: (fraction) => told.push(Math.round(fraction * 100)),
    },
  )
  assert.equal(statSync(join(held.root, 'cache.vdb')).size, bytes)
  assert.equal(told.at(-1), 100)
  assert.ok(told.length > 2 && (told[0] ?? 100) < 50, told.join())
})

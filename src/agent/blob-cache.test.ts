import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openBlobServer } from '#gateway/blobs/test-blob-server.ts'
import { keepObject } from '#gateway/blobs/test-vault.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { createNodeFileAccess } from '#host/node/node-file-access.ts'
import { createNodeHasher } from '#host/node/node-hasher.ts'
import { BlobCache, type WantedFile } from './blob-cache.ts'

test('a file is fetched once, by whoever wants it, and is there after a restart', async (t) => {
  const { cache, file, hold, reads, open } = await setup(t)
  const [one, other] = await Promise.all([hold(cache, file(1)), hold(cache, file(1))])
  assert.equal(one.path, other.path)
  assert.deepEqual(readFileSync(one.path), file(1).content)
  const count = reads()
  await hold(cache, file(1))
  await hold(await open(), file(1))
  assert.equal(reads(), count)
})

test('a file that was changed on the disk is never handed out, before a restart or after', async (t) => {
  const { cache, file, hold, open } = await setup(t)
  const { path } = await hold(cache, file(1))
  for (const current of [cache, await open()]) {
    const wrong = Buffer.from(file(1).content)
    wrong[500] = (wrong[500] ?? 0) ^ 1
    writeFileSync(path, wrong)
    assert.deepEqual(readFileSync((await hold(current, file(1))).path), file(1).content)
    rmSync(path)
    assert.deepEqual(readFileSync((await hold(current, file(1))).path), file(1).content)
  }
})

test('the longest unused goes first, and what is held stays', async (t) => {
  const { cache, file, hold } = await setup(t, 250_000)
  const first = await hold(cache, file(1))
  ;(await hold(cache, file(2))).release()
  await hold(cache, file(3))
  assert.deepEqual(
    [cache.has(file(1).sha256), cache.has(file(2).sha256), cache.has(file(3).sha256)],
    [true, false, true],
  )
  await assert.rejects(hold(cache, file(4)), { code: 'disk_full', message: /may hold 1 MiB/ })
  first.release()
  first.release()
  await hold(cache, file(4))
  assert.equal(existsSync(first.path), false)
  assert.ok(cache.usedBytes <= 250_000)
})

test('what broke off goes on, and goes first when room is short', async (t) => {
  const { cache, file, folder, hold, open } = await setup(t, 250_000)
  writeFileSync(join(folder, `${file(1).sha256}.part`), file(1).content.subarray(0, 60_000))
  writeFileSync(join(folder, `${'ab'.repeat(32)}.part`), randomBytes(100_000))
  writeFileSync(join(folder, 'something.whole'), 'x')
  const next = await open()
  assert.deepEqual(readFileSync((await hold(next, file(1))).path), file(1).content)
  await hold(next, file(2))
  assert.deepEqual(readdirSync(folder).sort(), [file(1).sha256, file(2).sha256].sort())
  assert.equal(cache.usedBytes, 0)
})

async function setup(t: TestContext, bytesMax = 1e9) {
  const dir = mkdtempSync(join(tmpdir(), 'shoal-cache-'))
  const folder = join(dir, 'cache')
  const server = await openBlobServer({ folder: join(dir, 'store') })
  t.after(async () => {
    await server.close()
    rmSync(dir, { recursive: true })
  })
  const contents = Array.from({ length: 5 }, () => randomBytes(100_000))
  const stored: (WantedFile & { content: Buffer })[] = []
  for (const content of contents) {
    const sha256 = await keepObject(server.vault, content)
    stored.push({ sha256, object: sha256, form: 'plain', bytes: content.length, content })
  }
  const files = createNodeFileAccess(dir)
  let nowMs = 1_000_000
  const clock = { nowMs: () => ++nowMs }
  const open = () =>
    BlobCache.open({ files, clock, folder, bytesMax, crypto: nodeCrypto, createHasher: createNodeHasher })
  let count = 0
  const wire = server.wire()
  const read: typeof wire.read = (sha256, range) => {
    count++
    return wire.read(sha256, range)
  }
  const counted = { ...wire, read }
  const signal = AbortSignal.timeout(20_000)
  return {
    folder,
    open,
    cache: await open(),
    file: (number: number) => stored[number] as WantedFile & { content: Buffer },
    hold: (cache: BlobCache, file: WantedFile) => cache.hold(file, counted, { signal }),
    reads: () => count,
  }
}

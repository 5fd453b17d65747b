/** Against a real HTTP server, in a real folder. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Problem } from '#protocol/problem.ts'
import { fetchNetwork } from './fetch-client.ts'
import { hashFile, openModelCache } from './model-cache.ts'

const KB = 1_000
const keyOf = (name: string): string => createHash('sha1').update(name).digest('hex')

test('the longest unused file goes first, and only as many as have to', async (t) => {
  const { obtain, open, files } = await setup(t, { bytesMax: 350 * KB })
  const cache = open()
  for (const [name, atMs] of [
    ['a', 1],
    ['b', 2],
    ['c', 3],
  ] as const)
    await obtain(cache, name, { nowMs: atMs * 1_000_000 })
  await obtain(cache, 'a', { nowMs: 4_000_000 })
  await obtain(cache, 'd', { nowMs: 5_000_000 })
  assert.deepEqual(files(), ['a', 'c', 'd'])
  assert.deepEqual([...cache.keys()].sort(), ['a', 'c', 'd'].map(keyOf).sort())
})

test('what is in use stays, and a file that then finds no room is refused before its first byte', async (t) => {
  const { obtain, open, files, sent } = await setup(t, { bytesMax: 250 * KB })
  const cache = open()
  await obtain(cache, 'a')
  await obtain(cache, 'b')
  const before = sent()
  await assert.rejects(obtain(cache, 'c', { keep: ['a', 'b'] }), isProblem('disk_full', /--models-cache/))
  assert.deepEqual(files(), ['a', 'b'])
  assert.ok(sent() - before <= 100 * KB, 'no more than what was under way')
})

test('a file whose server does not tell its size is given up when it outgrows the cache', async (t) => {
  const { obtain, open, files } = await setup(t, {
    bytesMax: 150 * KB,
    tellsSize: false,
    fileBytes: 400 * KB,
  })
  await assert.rejects(obtain(open(), 'a'), isProblem('disk_full', /larger than/))
  assert.deepEqual(files(), [])
})

test('a cache that is opened anew knows its files, and parts that nobody waits for make room', async (t) => {
  const { obtain, open, files, folder } = await setup(t, { bytesMax: 250 * KB })
  await obtain(open(), 'a')
  writeFileSync(join(folder, `${keyOf('left')}.gguf.part`), Buffer.alloc(200 * KB))
  const again = open()
  assert.deepEqual(again.keys(), [keyOf('a')])
  await obtain(again, 'b', { keep: ['a'] })
  assert.deepEqual(files(), ['a', 'b'])
})

test('a checksum that is another one leaves nothing behind', async (t) => {
  const { obtain, open, files } = await setup(t, { bytesMax: 250 * KB })
  const cache = open()
  await assert.rejects(obtain(cache, 'a', { sha256: '0'.repeat(64) }), isProblem('model_corrupt', /sha256/))
  assert.deepEqual([files(), cache.keys()], [[], []])
})

test('a file that is not there is said to be missing, by its path', async () => {
  await assert.rejects(hashFile('/nowhere/x.gguf'), isProblem('model_missing', /\/nowhere\/x\.gguf/))
})

const isProblem = (code: string, says: RegExp) => (error: unknown) =>
  error instanceof Problem && error.code === code && says.test(error.message)

async function setup(
  t: TestContext,
  {
    bytesMax,
    tellsSize = true,
    fileBytes = 100 * KB,
  }: { bytesMax: number; tellsSize?: boolean; fileBytes?: number },
) {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-cache-'))
  let sent = 0
  const server = createServer((_request, response) => {
    sent += fileBytes
    response.writeHead(200, tellsSize ? { 'content-length': fileBytes } : {})
    response.end(Buffer.alloc(fileBytes))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
    rmSync(folder, { recursive: true })
  })
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const open = () => openModelCache({ folder, bytesMax, fetch: fetchNetwork, retryMs: 1 })
  const names = ['a', 'b', 'c', 'd', 'left']
  return {
    folder,
    open,
    sent: () => sent,
    /** By name, whole ones. */
    files: () => names.filter((name) => readdirSync(folder).includes(`${keyOf(name)}.gguf`)),
    obtain(
      cache: ReturnType<typeof open>,
      name: string,
      {
        nowMs = 1_000_000,
        keep = [],
        sha256 = null,
      }: { nowMs?: number; keep?: string[]; sha256?: string | null } = {},
    ): Promise<string> {
      const wanted = {
        key: keyOf(name),
        url: new URL(`${origin}/${name}`),
        sha256,
        keep: new Set(keep.map(keyOf)),
      }
      return cache.obtain(
        wanted,
        { onProgress: () => undefined, signal: new AbortController().signal },
        nowMs,
      )
    },
  }
}

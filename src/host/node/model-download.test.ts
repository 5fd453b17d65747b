/** Against a real HTTP server with ranges, that can be told to stop in the middle. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createRandom } from '#kernel/random.ts'
import { Problem } from '#protocol/problem.ts'
import { createModelDownloads } from './model-download.ts'

const MODEL = bytesOf(1_000_000, 1)
const SHA256 = createHash('sha256').update(MODEL).digest('hex')

test('a file arrives whole under its name, with progress to its end and nothing left beside it', async (t) => {
  const { download, folder, path } = await setup(t)
  const seen = await download()
  assert.deepEqual(await readFile(path), MODEL)
  assert.deepEqual(await readdir(folder), ['m.gguf'])
  assert.deepEqual(
    { ...seen.at(-1), bytesPerSecond: 0 },
    { receivedBytes: MODEL.length, totalBytes: MODEL.length, bytesPerSecond: 0 },
  )
})

test('a disk that takes less than it is given leaves no gap', async (t) => {
  const { download, path, folder } = await setup(t)
  const probe = await open(folder)
  const handles = Object.getPrototypeOf(probe)
  await probe.close()
  const { write } = handles
  t.after(() => {
    handles.write = write
  })
  handles.write = function (bytes: Uint8Array, offset: number, length: number, position: number) {
    return write.call(this, bytes, offset, Math.ceil(length / 2), position)
  }
  await download()
  assert.deepEqual(await readFile(path), MODEL)
})

test('a file that is there is not asked for again', async (t) => {
  const { download, path, requests } = await setup(t)
  await writeFile(path, 'mine')
  await download()
  assert.equal(requests.length, 0)
})

test('a connection lost in the middle is taken up where it broke', async (t) => {
  const { download, path, requests } = await setup(t, { breaksAt: [300_000, 600_000] })
  await download()
  assert.deepEqual(await readFile(path), MODEL)
  // A reset connection may lose what was under way, so each goes on at or a little before the break.
  const offsets = requests.map(({ range }) => Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0))
  const [none, first, second] = offsets
  assert.equal(offsets.length, 3)
  assert.ok(
    none === 0 && within(first, 1, 300_000) && within(second, first, 600_000),
    JSON.stringify(offsets),
  )
  assert.ok(requests.slice(1).every(({ ifRange }) => ifRange === '"v1"'))
})

test('stopped by its signal, a download keeps what it has, and the next asks for the rest alone', async (t) => {
  const { download, path, requests, holding } = await setup(t, { holdsAt: 400_000 })
  const stopper = new AbortController()
  const stopped = download({ signal: stopper.signal })
  await holding
  await until(async () => (await stat(`${path}.part`).catch(() => null))?.size === 400_000)
  stopper.abort()
  await assert.rejects(stopped, (error) => error instanceof Problem && error.code === 'cancelled')
  await download()
  assert.deepEqual(await readFile(path), MODEL)
  assert.equal(requests.at(-1)?.range, 'bytes=400000-')
})

test('killed by kill -9, a download is taken up by the next process', async (t) => {
  const { download, path, url, requests, holding, folder } = await setup(t, { holdsAt: 400_000 })
  const script = join(folder, 'download.ts')
  await writeFile(
    script,
    `import { createModelDownloads } from '${new URL('./model-download.ts', import.meta.url)}'
     await createModelDownloads().downloadModel(
       { url: new URL('${url}'), path: '${path}', sha256: null },
       { onProgress: () => {}, signal: new AbortController().signal },
     )`,
  )
  const child = spawn(process.execPath, [script], { stdio: 'inherit' })
  await holding
  await until(async () => (await stat(`${path}.part`).catch(() => null))?.size === 400_000)
  child.kill('SIGKILL')
  await once(child, 'exit')
  await download()
  assert.deepEqual(await readFile(path), MODEL)
  assert.equal(requests.at(-1)?.range, 'bytes=400000-')
})

for (const [name, options] of [
  ['the owner', { given: true }],
  ['the hub', { linked: true }],
] as const) {
  test(`content that has not the checksum which ${name} tells is refused and deleted`, async (t) => {
    const { download, folder } = await setup(t, {
      content: bytesOf(50_000, 9),
      linkedEtag: 'linked' in options ? `"${SHA256}"` : null,
    })
    await assert.rejects(
      download({ sha256: 'given' in options ? SHA256 : null }),
      (error) =>
        error instanceof Problem &&
        error.code === 'model_corrupt' &&
        error.message.includes(SHA256) &&
        /deleted/.test(error.message),
    )
    assert.deepEqual(await readdir(folder), ['m.gguf.part.lock.db'])
  })
}

test('a part that was damaged on the disk is found out by the checksum', async (t) => {
  const server = await setup(t, { breaksAt: [300_000], dropsAfterBreak: true, linkedEtag: `"${SHA256}"` })
  await assert.rejects(
    server.download(),
    (error) =>
      error instanceof Problem && error.code === 'network_unreachable' && /are kept/.test(error.message),
  )
  const { size } = await stat(`${server.path}.part`)
  await writeFile(`${server.path}.part`, bytesOf(size, 3))
  server.change({ content: MODEL, etag: '"v1"' })
  await assert.rejects(
    server.download(),
    (error) => error instanceof Problem && error.code === 'model_corrupt',
  )
  await server.download()
  assert.deepEqual(await readFile(server.path), MODEL)
})

test('a file that changed on the server in between is fetched anew', async (t) => {
  const server = await setup(t, { breaksAt: [300_000], dropsAfterBreak: true })
  await assert.rejects(
    server.download(),
    (error) => error instanceof Problem && error.code === 'network_unreachable',
  )
  const changed = bytesOf(700_000, 2)
  server.change({ content: changed, etag: '"v2"' })
  await server.download()
  assert.deepEqual(await readFile(server.path), changed)
})

test('without a strong tag or a checksum nothing is taken up', async (t) => {
  const { download, path, requests } = await setup(t, { breaksAt: [300_000], etag: 'W/"v1"' })
  await download()
  assert.deepEqual(await readFile(path), MODEL)
  assert.deepEqual(
    requests.map(({ range }) => range),
    [undefined, undefined],
  )
})

test('the hub’s redirect is followed: its checksum counts, and the token stays with the hub', async (t) => {
  const store = await setup(t)
  const hub = await setup(t, { redirectTo: store.url, linkedEtag: `"${SHA256}"` })
  await hub.download({ token: 'secret' })
  assert.deepEqual(await readFile(hub.path), MODEL)
  assert.deepEqual(
    [hub.requests[0]?.authorization, store.requests[0]?.authorization],
    ['Bearer secret', undefined],
  )
  const wrong = await setup(t, { redirectTo: store.url, linkedEtag: `"${'0'.repeat(64)}"` })
  await assert.rejects(
    wrong.download(),
    (error) => error instanceof Problem && error.code === 'model_corrupt',
  )
})

const refusals: readonly (readonly [status: number, says: RegExp])[] = [
  [404, /does not exist .*revision/],
  [401, /needs a permission/],
  [403, /needs a permission/],
]
for (const [status, says] of refusals) {
  test(`status ${status} is told at once as a missing model`, async (t) => {
    const { download, requests } = await setup(t, { status })
    await assert.rejects(
      download(),
      (error) => error instanceof Problem && error.code === 'model_missing' && says.test(error.message),
    )
    assert.equal(requests.length, 1)
  })
}

test('a server that keeps failing is given up after a few attempts, saying what is kept', async (t) => {
  const { download, requests } = await setup(t, { status: 503 })
  await assert.rejects(
    download(),
    (error) => error instanceof Problem && error.code === 'network_unreachable' && /503/.test(error.message),
  )
  assert.equal(requests.length, 6)
})

test('a file that does not fit the disk is refused before its first byte', async (t) => {
  const { download, path } = await setup(t, { claimsBytes: 10 ** 15 })
  await assert.rejects(
    download(),
    (error) => error instanceof Problem && error.code === 'disk_full' && /953674317 MiB/.test(error.message),
  )
  await assert.rejects(stat(`${path}.part`))
})

test('two downloads of one file do not mix: the second is refused', async (t) => {
  const { download, holding } = await setup(t, { holdsAt: 10 })
  const stopper = new AbortController()
  const first = download({ signal: stopper.signal })
  await holding
  await assert.rejects(download(), (error) => error instanceof Problem && error.code === 'folder_in_use')
  stopper.abort()
  await assert.rejects(first)
})

function bytesOf(length: number, seed: number): Buffer {
  const random = createRandom(seed)
  return Buffer.from(Uint8Array.from({ length }, () => random.int(256)))
}

const within = (value = Number.NaN, from = Number.NaN, to = Number.NaN) => value >= from && value <= to

/** The file system tells nobody that a file has grown. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 2))
}

interface ServerOptions {
  readonly content?: Buffer
  readonly etag?: string
  readonly linkedEtag?: string | null
  /** Cuts the connection when this many bytes of the file have been sent: the first at the first request, and so on. */
  readonly breaksAt?: readonly number[]
  /** After the last break every connection is cut at once. */
  readonly dropsAfterBreak?: boolean
  /** At the first request, stops there without closing. */
  readonly holdsAt?: number
  readonly redirectTo?: string
  readonly status?: number
  readonly claimsBytes?: number
}

async function setup(t: { after(run: () => Promise<void>): void }, options: ServerOptions = {}) {
  let served = { content: MODEL, etag: '"v1"', ...options }
  const breaks = [...(options.breaksAt ?? [])]
  let isDropping = false
  let holdsAt = options.holdsAt
  const holding = Promise.withResolvers<void>()
  const requests: { range: string | undefined; ifRange: unknown; authorization: string | undefined }[] = []

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const { range, authorization } = request.headers
    requests.push({ range, ifRange: request.headers['if-range'], authorization })
    if (isDropping) return void request.socket.destroy()
    if (served.status !== undefined) return void response.writeHead(served.status).end()
    const linked = served.linkedEtag ? { 'x-linked-etag': served.linkedEtag } : {}
    if (served.redirectTo)
      return void response.writeHead(302, { location: served.redirectTo, ...linked }).end('moved')
    const isSame = request.headers['if-range'] === undefined || request.headers['if-range'] === served.etag
    const start = isSame ? Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0) : 0
    const { length } = served.content
    response.writeHead(start > 0 ? 206 : 200, {
      etag: served.etag,
      'content-length': served.claimsBytes ?? length - start,
      ...(start > 0 ? { 'content-range': `bytes ${start}-${length - 1}/${length}` } : {}),
      ...linked,
    })
    send(response, start)
  }

  function send(response: ServerResponse, start: number): void {
    const breakAt = breaks.shift()
    if (breakAt !== undefined) {
      isDropping = breaks.length === 0 && options.dropsAfterBreak === true
      response.write(served.content.subarray(start, breakAt), () => response.destroy())
    } else if (holdsAt !== undefined) {
      response.write(served.content.subarray(start, holdsAt), () => holding.resolve())
      holdsAt = undefined
    } else {
      response.end(served.content.subarray(start))
    }
  }

  const server = createServer(answer)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/m.gguf`
  const folder = await mkdtemp(join(tmpdir(), 'shoal-download-'))
  t.after(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await rm(folder, { recursive: true })
  })
  const path = join(folder, 'm.gguf')
  const downloads = createModelDownloads({ retryMs: 1 })
  const download = async (parts: { sha256?: string | null; token?: string; signal?: AbortSignal } = {}) => {
    const seen: { receivedBytes: number; totalBytes: number | null; bytesPerSecond: number }[] = []
    const { sha256 = null, signal = new AbortController().signal, ...token } = parts
    await downloads.downloadModel(
      { url: new URL(url), path, sha256, ...token },
      { onProgress: (progress) => seen.push(progress), signal },
    )
    return seen
  }
  const change = (to: { content: Buffer; etag: string }) => {
    isDropping = false
    served = { ...served, ...to }
  }
  return { download, folder, path, url, requests, holding: holding.promise, change }
}

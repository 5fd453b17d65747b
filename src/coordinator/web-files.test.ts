import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WebFile } from '#host/web-file.ts'
import { serveWebFile, webHandlers } from './web-files.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const script: WebFile = {
  path: '/assets/roi-abc.js',
  contentType: 'text/javascript; charset=utf-8',
  bodies: { identity: bytes('whole'), gzip: bytes('gz'), br: bytes('br') },
  hash: 'a1b2',
  isImmutable: true,
}

const asked: readonly (readonly [accept: string | null, body: string, encoding: string | null])[] = [
  ['gzip, deflate, br, zstd', 'br', 'br'],
  ['gzip', 'gz', 'gzip'],
  ['GZIP;q=0.5', 'gz', 'gzip'],
  ['br;q=0, gzip', 'gz', 'gzip'],
  ['identity', 'whole', null],
  ['deflate', 'whole', null],
  ['', 'whole', null],
  [null, 'whole', null],
]

for (const [accept, body, encoding] of asked) {
  test(`a browser that accepts ${JSON.stringify(accept)} gets ${encoding ?? 'the file as it is'}`, async () => {
    const response = serveWebFile(script, request(accept === null ? {} : { 'accept-encoding': accept }))
    const { headers } = response
    assert.deepEqual(
      [headers.get('content-encoding'), headers.get('content-length'), headers.get('vary')],
      [encoding, String(body.length), 'accept-encoding'],
    )
    assert.equal(await response.text(), body)
  })
}

test('a file with its hash in its name is kept for ever, a page is asked for each time', () => {
  const cache = (file: WebFile) => serveWebFile(file, request({})).headers.get('cache-control')
  assert.equal(cache(script), 'public, max-age=31536000, immutable')
  assert.equal(cache({ ...script, isImmutable: false }), 'no-cache')
})

test('what the browser has is not sent again, each encoding by its own tag', async () => {
  const first = serveWebFile(script, request({ 'accept-encoding': 'gzip' }))
  const etag = first.headers.get('etag') ?? ''
  const again = serveWebFile(
    script,
    request({ 'accept-encoding': 'gzip', 'if-none-match': `"x", W/${etag}` }),
  )
  assert.deepEqual([again.status, await again.text(), again.headers.get('etag')], [304, '', etag])
  assert.equal(serveWebFile(script, request({ 'accept-encoding': 'br', 'if-none-match': etag })).status, 200)
})

test('the page takes scripts, threads and data from its own host alone', () => {
  const policy = serveWebFile(script, request({})).headers.get('content-security-policy') ?? ''
  assert.match(policy, /default-src 'none'.*script-src 'self'.*worker-src 'self'/)
  assert.doesNotMatch(policy, /unsafe|https?:|\*/)
})

test('where no page was built, its address says what to do', async () => {
  const answer = webHandlers(null).get('/roi')?.(request({}))
  assert.equal(answer?.status, 503)
  assert.match((await answer?.text()) ?? '', /npm start.*node web\/build-web\.ts/s)
})

const request = (headers: Record<string, string>): Request => new Request('http://127.0.0.1/roi', { headers })

/** Serves the built web pages: compressed as the browser likes it, and not again what it has. */
import type { WebFile } from '#host/web-file.ts'
import { renderPage } from './html.ts'
import { PAGE_HEADERS } from './page-headers.ts'

type Encoding = keyof WebFile['bodies']

/** The best first. */
const encodings: readonly Encoding[] = ['br', 'gzip', 'identity']

export function serveWebFile(file: WebFile, request: Request): Response {
  const encoding = encodingFor(file, request.headers.get('accept-encoding') ?? '')
  // Each form of a file is another answer: a cache must not take one for the other.
  const etag = `"${file.hash}-${encoding}"`
  const headers: Record<string, string> = {
    ...PAGE_HEADERS,
    etag,
    vary: 'accept-encoding',
    'cache-control': file.isImmutable ? 'public, max-age=31536000, immutable' : 'no-cache',
  }
  if (knows(request.headers.get('if-none-match') ?? '', etag))
    return new Response(null, { status: 304, headers })
  const body = file.bodies[encoding] ?? file.bodies.identity
  return new Response(body as Uint8Array<ArrayBuffer>, {
    headers: {
      ...headers,
      'content-type': file.contentType,
      'content-length': String(body.byteLength),
      ...(encoding !== 'identity' && { 'content-encoding': encoding }),
    },
  })
}

/** The best that the client takes: `gzip, br;q=0` takes no brotli. */
function encodingFor({ bodies }: WebFile, accepted: string): Encoding {
  const taken = new Map(
    accepted.split(',').map((part) => {
      const [name = '', ...parameters] = part.split(';').map((text) => text.trim().toLowerCase())
      const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2)
      return [name, weight === undefined || Number(weight) > 0]
    }),
  )
  return encodings.find((one) => bodies[one] !== null && (taken.get(one) ?? false)) ?? 'identity'
}

const knows = (ifNoneMatch: string, etag: string): boolean =>
  ifNoneMatch === '*' || ifNoneMatch.split(',').some((one) => one.trim().replace(/^W\//, '') === etag)

/** In the place of a page that this machine has not built. */
export const serveUnbuiltPage = (): Response =>
  new Response(
    renderPage({
      title: 'Not built',
      body: `<main class="home"><h1>This page was not built here</h1>
<p class="lead">The network runs; only its web pages are missing. <code>npm start</code> builds them, and so does
<code>node web/build-web.ts</code>; then start the network again.</p>
<p>Meanwhile <code>shoal roi</code> says the same in a terminal.</p>
<p><a href="/">Home</a></p></main>`,
    }),
    {
      status: 503,
      headers: { ...PAGE_HEADERS, 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' },
    },
  )

/** What answers a GET of each path; without a build, the page says so. */
export const webHandlers = (
  files: readonly WebFile[] | null,
): ReadonlyMap<string, (request: Request) => Response> =>
  files === null
    ? new Map([['/roi', serveUnbuiltPage]])
    : new Map(files.map((file) => [file.path, (request: Request) => serveWebFile(file, request)]))

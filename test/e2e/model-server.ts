/** An HTTP server that has a model's file, as a mirror and as the hub has it: with ranges, and as slow as a test needs. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface ModelServer {
  readonly host: string
  readonly url: string
  /** Each request: its path, and the byte from which on it asked. */
  readonly requests: readonly { readonly path: string; readonly from: number }[]
  readonly sha256: string
  /** Bytes after which an answer stops and is kept open; null: none does. */
  holdAt: number | null
  /** Where `/elsewhere/…` sends on to. */
  sendsOnTo: string
  close(): Promise<void>
}

export async function startModelServer(file: Buffer): Promise<ModelServer> {
  const requests: { path: string; from: number }[] = []
  const server = createServer((request, response) => answer(request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const sha256 = createHash('sha256').update(file).digest('hex')

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url ?? ''
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
    requests.push({ path, from })
    if (path.startsWith('/api/models/owner/repo/revision/')) {
      const siblings = ['README.md', 'tiny.Q4_K_M.gguf'].map((rfilename) => ({ rfilename }))
      return void response.setHeader('content-type', 'application/json').end(JSON.stringify({ siblings }))
    }
    if (path.startsWith('/elsewhere/'))
      return void response.writeHead(302, { location: modelServer.sendsOnTo }).end()
    if (!/^\/(owner\/repo\/resolve\/main\/)?tiny[\w.-]*\.gguf$/.test(path))
      return void response.writeHead(404).end()
    const rest = file.subarray(from)
    response.writeHead(from > 0 ? 206 : 200, {
      etag: '"v1"',
      'content-length': rest.length,
      ...(from > 0 && { 'content-range': `bytes ${from}-${file.length - 1}/${file.length}` }),
    })
    const held = modelServer.holdAt
    if (held === null || from >= held) return void response.end(rest)
    response.write(rest.subarray(0, held - from))
  }

  const modelServer: ModelServer = {
    host,
    url: `http://${host}/tiny.gguf`,
    requests,
    sha256,
    holdAt: null,
    sendsOnTo: '',
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return modelServer
}

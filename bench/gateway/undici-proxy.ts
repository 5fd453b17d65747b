/**
 * A peer: what a lean proxy in Node costs. `node:http` in front, `undici` behind, no authentication, nothing parsed.
 * Its arguments are pairs of ports, its own and the upstream's. Prints `ready`.
 */
import { createServer } from 'node:http'
import { Pool } from 'undici'

const ports = process.argv.slice(2).map(Number)
let waiting = ports.length / 2
for (let pair = 0; pair < ports.length; pair += 2) serve(ports[pair] ?? 0, ports[pair + 1] ?? 0)

function serve(port: number, upstream: number): void {
  const pool = new Pool(`http://127.0.0.1:${upstream}`, { connections: 2_048, pipelining: 1 })
  const server = createServer({ noDelay: true }, (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      pool.dispatch(
        {
          path: request.url ?? '/',
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: chunks.length === 1 ? (chunks[0] ?? null) : Buffer.concat(chunks),
        },
        {
          onRequestStart: () => undefined,
          onResponseStart(_controller, status, headers) {
            const { 'content-type': type, 'content-length': length } = headers
            response.writeHead(status, {
              'content-type': String(type),
              ...(length === undefined ? {} : { 'content-length': String(length) }),
            })
          },
          onResponseData: (_controller, chunk) => void response.write(chunk),
          onResponseEnd: () => void response.end(),
          onResponseError: () => void response.destroy(),
        },
      )
    })
  })
  server.listen(port, '127.0.0.1', 4_096, () => {
    if (--waiting === 0) console.log('ready')
  })
}

import type { Exchange } from './host.ts'

export interface ExchangeWatcher {
  /** The answer begins. `body`: of an answer that is whole at once. */
  onHead(status: number, headers: Readonly<Record<string, string>>, body: Uint8Array | string | null): void
  /** Once, when it is over. `bytes`: of the answer's body, as far as it was written. */
  onClose(finished: boolean, bytes: number): void
}

/** The same exchange; `watcher` hears how it is answered. */
export function watchExchange(exchange: Exchange, watcher: ExchangeWatcher): Exchange {
  let bytes = 0
  exchange.onClose((finished) => watcher.onClose(finished, bytes))
  return {
    method: exchange.method,
    target: exchange.target,
    headers: exchange.headers,
    clientAddress: exchange.clientAddress,
    readBody: (bytesMax, done) => exchange.readBody(bytesMax, done),
    ...(exchange.streamBody && { streamBody: exchange.streamBody.bind(exchange) }),
    respond(status, headers, body) {
      bytes += sizeOf(body)
      watcher.onHead(status, headers, body)
      exchange.respond(status, headers, body)
    },
    start(status, headers) {
      watcher.onHead(status, headers, null)
      exchange.start(status, headers)
    },
    write(chunk) {
      bytes += sizeOf(chunk)
      return exchange.write(chunk)
    },
    end: () => exchange.end(),
    abort: () => exchange.abort(),
    onDrain: (run) => exchange.onDrain(run),
    onClose: (run) => exchange.onClose(run),
  }
}

const sizeOf = (chunk: Uint8Array | string): number =>
  typeof chunk === 'string' ? Buffer.byteLength(chunk) : chunk.length

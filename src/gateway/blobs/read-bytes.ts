import type { Exchange } from '#host/host.ts'
import { Problem } from '#protocol/problem.ts'

/** The whole body. It may take as long as uploads may, as long as it moves. Rejects for a client that left. */
export function readBytes(exchange: Exchange, bytesMax: number): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
  exchange.onClose(() => reject(new Problem('cancelled', 'The client left.')))
  if (!exchange.streamBody) {
    exchange.readBody(bytesMax, (problem, body) => (problem ? reject(problem) : resolve(body)))
    return promise
  }
  const chunks: Uint8Array[] = []
  exchange.streamBody(bytesMax, {
    onChunk(chunk) {
      chunks.push(chunk)
      return true
    },
    onEnd(problem) {
      if (problem) reject(problem)
      else resolve(Buffer.concat(chunks))
    },
  })
  return promise
}

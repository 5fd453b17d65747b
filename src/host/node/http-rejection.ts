/** Answers on a bare socket: what is said to a peer whose bytes never became a request. */
import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Clock } from '#host/host.ts'
import { Problem, toProblemDetails } from '#protocol/problem.ts'
import { LINGER_MS } from './http-exchange.ts'

export interface Rejection {
  readonly problem: Problem
  /** Where HTTP has a status of its own for what the problem table calls by one code. */
  readonly status?: number
}

/** Writes the answer and closes, giving the peer a moment to read it before what it still sends resets the connection. */
export function rejectSocket(
  clock: Clock,
  socket: Duplex,
  { problem, status = problem.status }: Rejection,
): void {
  const body = JSON.stringify({ ...toProblemDetails(problem), status })
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}`,
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ]
  socket.on('error', () => socket.destroy())
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
  socket.resume()
  const timer = clock.after(LINGER_MS, () => socket.destroy())
  socket.once('close', () => timer.cancel())
}

/** What node's parser or its time limits found wrong, by their error codes. */
export function toRejection(
  error: NodeJS.ErrnoException & { reason?: unknown },
  headerBytesMax: number,
): Rejection {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return {
        problem: invalid(`The headers are longer than ${headerBytesMax} bytes. Send fewer of them.`),
        status: 431,
      }
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return {
        problem: new Problem('request_timeout', 'The request did not arrive whole in time. Send it again.'),
      }
    default: {
      const found = typeof error.reason === 'string' ? ` (${error.reason})` : ''
      return { problem: invalid(`This is not a well-formed HTTP/1.1 request${found}.`) }
    }
  }
}

const invalid = (message: string): Problem => new Problem('invalid_request', message)

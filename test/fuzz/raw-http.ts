/** HTTP as bytes: what is sent need not be HTTP at all, and what comes back is read as far as a verdict needs it. */
import { connect, type Socket } from 'node:net'

export interface RawAnswer {
  /** Null when the connection closed, or nothing came in time, without an answer. */
  readonly status: number | null
  readonly body: string
  readonly isClosed: boolean
}

const HEAD_END = '\r\n\r\n'

/**
 * Sends `bytes` on a new connection and reads the first final answer. With `isEnded` the connection is half closed behind
 * them, so that a server that waits for more learns that there is none. Answers `status` null after `limitMs`.
 */
export function sendRaw(
  port: number,
  bytes: Uint8Array,
  { isEnded, limitMs }: { isEnded: boolean; limitMs: number },
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    let text = ''
    let isClosed = false
    const settle = (): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve({ ...read(text), isClosed })
    }
    const timer = setTimeout(settle, limitMs)
    socket.setEncoding('latin1')
    socket.on('data', (chunk) => {
      text += String(chunk)
      if (isWhole(text)) settle()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      isClosed = true
      // Whoever refuses a request may close before all of it was sent.
      if (error.code === 'ECONNRESET' || error.code === 'EPIPE') return settle()
      clearTimeout(timer)
      reject(error)
    })
    for (const name of ['end', 'close'] as const) {
      socket.on(name, () => {
        isClosed = true
        settle()
      })
    }
    if (isEnded) socket.end(bytes)
    else socket.write(bytes)
  })
}

const finalPart = (text: string): string =>
  text.replace(/^(?:HTTP\/1\.1 1\d\d [^\r]*\r\n(?:[^\r]+\r\n)*\r\n)+/, '')

function isWhole(text: string): boolean {
  const part = finalPart(text)
  const headEnd = part.indexOf(HEAD_END)
  if (headEnd === -1) return false
  const length = /\r\ncontent-length: (\d+)/i.exec(part.slice(0, headEnd + 2))?.[1]
  // Of an answer in chunks the head is enough; only failures are looked into, and those have a length.
  return length === undefined || part.length >= headEnd + HEAD_END.length + Number(length)
}

function read(text: string): Pick<RawAnswer, 'status' | 'body'> {
  const part = finalPart(text)
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(part)?.[1]
  const headEnd = part.indexOf(HEAD_END)
  return {
    status: status === undefined ? null : Number(status),
    body: headEnd === -1 ? '' : part.slice(headEnd + HEAD_END.length),
  }
}

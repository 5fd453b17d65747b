/** One HTTP/1.1 connection, read to the letter: a byte that does not belong into a reply's framing is an error. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export interface StrictReply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** The server ended the connection in the middle of the reply. */
  readonly isCut: boolean
}

export interface StrictConnection {
  /** Sends a call and reads its whole reply. */
  ask(call: { method: string; path: string; key: string; body?: unknown }): Promise<StrictReply>
  readonly isOpen: () => boolean
  close(): void
}

/** Above the longest that a gateway waits for a node and for a first token. */
const SILENCE_MS_MAX = 120_000
const shown = (bytes: Buffer): string => JSON.stringify(bytes.subarray(-200).toString('latin1'))

export async function openStrict(port: number): Promise<StrictConnection> {
  const socket: Socket = connect({ port, host: '127.0.0.1' })
  await once(socket, 'connect')
  let received: Buffer = Buffer.alloc(0)
  let isClosed = false
  let wake = (): void => undefined
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk])
    wake()
  })
  socket.on('error', () => undefined)
  socket.on('close', () => {
    isClosed = true
    wake()
  })

  /** Waits for more; false when none can come. Rejects when none comes for longer than any answer may take. */
  async function more(): Promise<boolean> {
    if (isClosed) return false
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    wake = resolve
    const deadline = setTimeout(
      () => reject(new Error(`nothing came for ${SILENCE_MS_MAX / 1_000} s behind ${shown(received)}`)),
      SILENCE_MS_MAX,
    )
    await promise.finally(() => clearTimeout(deadline))
    return true
  }

  async function takeLine(): Promise<string | null> {
    for (;;) {
      const end = received.indexOf('\r\n')
      if (end !== -1) {
        const line = received.subarray(0, end).toString('latin1')
        received = received.subarray(end + 2)
        return line
      }
      if (!(await more())) return null
    }
  }

  async function takeBytes(count: number): Promise<Buffer | null> {
    while (received.length < count) if (!(await more())) return null
    const bytes = received.subarray(0, count)
    received = received.subarray(count)
    return bytes
  }

  async function readHead(): Promise<{ status: number; headers: Record<string, string> }> {
    const status = /^HTTP\/1\.1 (\d{3}) [ -~]*$/.exec((await takeLine()) ?? '')?.[1]
    if (status === undefined) throw new Error('a reply begins with no status line')
    const headers: Record<string, string> = {}
    for (;;) {
      const line = await takeLine()
      if (line === '') return { status: Number(status), headers }
      const field = /^([\w-]+): ([\t -~]*)$/.exec(line ?? '')
      if (!field?.[1]) throw new Error(`a reply's head has the line ${JSON.stringify(line)}`)
      headers[field[1].toLowerCase()] = field[2] ?? ''
    }
  }

  async function readChunks(): Promise<{ body: string; isCut: boolean }> {
    const chunks: Buffer[] = []
    const whole = (isCut: boolean) => ({ body: Buffer.concat(chunks).toString(), isCut })
    for (;;) {
      const line = await takeLine()
      if (line === null) return whole(true)
      if (!/^[\da-f]+$/i.test(line)) throw new Error(`a chunk begins with ${JSON.stringify(line)}`)
      const chunk = await takeBytes(Number.parseInt(line, 16) + 2)
      if (chunk === null) return whole(true)
      if (chunk.subarray(-2).toString() !== '\r\n') throw new Error('a chunk is longer than it says')
      if (chunk.length === 2) return whole(false)
      chunks.push(chunk.subarray(0, -2))
    }
  }

  return {
    isOpen: () => !isClosed,
    close: () => socket.destroy(),
    async ask({ method, path, key, body }) {
      const text = body === undefined ? '' : JSON.stringify(body)
      const head = [`${method} ${path} HTTP/1.1`, 'host: localhost', `authorization: Bearer ${key}`]
      if (body !== undefined)
        head.push('content-type: application/json', `content-length: ${Buffer.byteLength(text)}`)
      if (received.length > 0) throw new Error(`${received.length} bytes came that nobody asked for`)
      socket.write(`${head.join('\r\n')}\r\n\r\n${text}`)
      const { status, headers } = await readHead()
      if (headers['transfer-encoding'] === 'chunked') return { status, headers, ...(await readChunks()) }
      const bytes = await takeBytes(Number(headers['content-length']))
      return { status, headers, body: bytes?.toString() ?? '', isCut: bytes === null }
    },
  }
}

/** What makes an HTTP server one that speaks TLS: its certificate, kept fresh, and an answer to who does not speak it. */

import { statSync } from 'node:fs'
import type { ServerOptions } from 'node:http'
import { createServer, type Server } from 'node:https'
import { Socket } from 'node:net'
import type { CertificateFacts, Clock, Log, TlsFiles } from '#host/host.ts'
import { assert } from '#kernel/assert.ts'
import { Problem, toProblem } from '#protocol/problem.ts'
import { type Certificate, contextOf, instantOf, isExpiring, readCertificate } from './certificate.ts'
import { rejectSocket } from './http-rejection.ts'

export interface TlsServer {
  readonly server: Server
  /** What it shows now, and before it the last one, which connections of a moment ago have seen. */
  certificates(): readonly CertificateFacts[]
  /** Looks at its files no more. */
  close(): void
  /** Also what has not shaken hands yet. */
  destroyConnections(): void
}

type Ports = { readonly clock: Clock; readonly log: Log }

/** How often the files are looked at. */
const LOOK_EVERY_MS = 5_000
const WARN_EVERY_MS = 24 * 3_600_000
/** A connection that has not shaken hands by then is closed. */
const HANDSHAKE_MS = 10_000
/** The first byte of every TLS connection: a handshake record. */
const HANDSHAKE_BYTE = 22

/** Throws `Problem('config_invalid')` for files that cannot be served with. Dates are only told to the log. */
export function createTlsServer(ports: Ports, files: TlsFiles, options: ServerOptions): TlsServer {
  const { clock, log } = ports
  let current = readCertificate(files)
  let previous: Certificate | null = null
  let stamp = stampOf(files)
  let isClosed = false
  let warnedMs = Number.NEGATIVE_INFINITY
  const server = createServer({ ...options, ...contextOf(current), handshakeTimeout: HANDSHAKE_MS })
  const sockets = new Set<Socket>()
  greetPlainly(ports, server, sockets)

  function look(): void {
    if (isClosed) return
    const found = stampOf(files)
    if (found !== stamp) {
      // Half-written files, or a key whose certificate is still to come, change again when they are whole.
      stamp = found
      renew()
    }
    warn()
    clock.after(LOOK_EVERY_MS, look)
  }

  function renew(): void {
    try {
      const next = readCertificate(files)
      server.setSecureContext(contextOf(next))
      previous = current
      current = next
      warnedMs = Number.NEGATIVE_INFINITY
      log.info('tls.renewed', { file: files.certFile, expires: instantOf(next.facts.expiresAtMs) })
    } catch (error) {
      // Whatever is wrong with the new one, this one serves.
      const { message } = toProblem(error)
      log.error('tls.not_renewed', { message: `${message} The certificate of before stays in use.` })
    }
  }

  function warn(): void {
    const { facts } = current
    const nowMs = clock.nowMs()
    if (!isExpiring(facts, nowMs) || clock.elapsedMs() - warnedMs < WARN_EVERY_MS) return
    warnedMs = clock.elapsedMs()
    const isOver = nowMs >= facts.expiresAtMs
    const fields = { file: facts.file, expires: instantOf(facts.expiresAtMs) }
    if (isOver) log.error('tls.certificate_expired', fields)
    else log.warn('tls.certificate_expiring', fields)
  }

  warn()
  clock.after(LOOK_EVERY_MS, look)
  return {
    server,
    certificates: () => [current, ...(previous ? [previous] : [])].map(({ facts }) => facts),
    close() {
      isClosed = true
    },
    destroyConnections() {
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** Changes when either file does, also when a link is set to another file. */
function stampOf({ certFile, keyFile }: TlsFiles): string {
  return [certFile, keyFile].map(stampOfFile).join(' ')
}

function stampOfFile(file: string): string {
  try {
    const found = statSync(file, { throwIfNoEntry: false })
    return found ? `${found.ino} ${found.mtimeMs} ${found.size}` : 'none'
  } catch (error) {
    // A folder that was closed, or whose server is gone: reading the file says what is wrong.
    return error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
  }
}

/** Looks at the first byte of each connection before TLS does, so that `http:` to this port gets an answer. */
function greetPlainly({ clock }: Ports, server: Server, sockets: Set<Socket>): void {
  const [shakeHands] = server.listeners('connection')
  assert(shakeHands, 'a TLS server shakes hands on each connection')
  server.removeAllListeners('connection')
  server.on('connection', (socket: Socket) => {
    assert(socket instanceof Socket, 'a connection comes over TCP')
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    const timer = clock.after(HANDSHAKE_MS, () => socket.destroy())
    const forget = (): void => timer.cancel()
    socket.once('close', forget)
    socket.on('error', ignore)
    socket.once('readable', () => {
      forget()
      const head: unknown = socket.read()
      if (!(head instanceof Uint8Array)) return void socket.destroy()
      if (head[0] !== HANDSHAKE_BYTE) return rejectSocket(clock, socket, { problem: PLAIN })
      socket.off('error', ignore)
      socket.off('close', forget)
      socket.unshift(head)
      shakeHands.call(server, socket)
    })
  })
}

/** It closes right after. */
const ignore = (): void => undefined

const PLAIN = new Problem(
  'invalid_request',
  'This port speaks TLS, and this is plain HTTP. Use an address that starts with https:// (wss:// for links).',
)

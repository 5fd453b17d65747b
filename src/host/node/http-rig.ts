import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach } from 'node:test'
import type { LogFields, ServerHandlers } from '#host/host.ts'
import { HttpExchange } from './http-exchange.ts'
import type { HttpLimits } from './http-server.ts'
import { nodeClock } from './node-clock.ts'
import { createNodeNetwork } from './node-network.ts'

/** For tests: real servers and raw clients on 127.0.0.1, all closed after each test. */
export function createHttpRig() {
  const cleanups: (() => unknown)[] = []
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  })
  const onCleanup = (cleanup: () => unknown): void => void cleanups.push(cleanup)
  return {
    onCleanup,
    dial: (port: number) => dial(port, onCleanup),
    serve: (handlers: Partial<ServerHandlers>, limits: Partial<HttpLimits> = {}) =>
      serve(handlers, limits, onCleanup),
  }
}

type OnCleanup = (cleanup: () => unknown) => void

async function serve(handlers: Partial<ServerHandlers>, http: Partial<HttpLimits>, onCleanup: OnCleanup) {
  const warnings: string[] = []
  const errors: LogFields[] = []
  const log = {
    info() {},
    warn: (event: string) => void warnings.push(event),
    error: (_: string, fields: LogFields = {}) => void errors.push(fields),
  }
  const network = createNodeNetwork({ clock: nodeClock, log }, { http })
  const watch = createWatch(handlers.onExchange ?? ((exchange) => exchange.respond(200, {}, 'served')))
  const listener = await network.listen(
    { hostname: '127.0.0.1', port: 0 },
    { onExchange: watch.onExchange, onLink: handlers.onLink ?? (() => null) },
  )
  onCleanup(() => listener.close(0))
  const { port } = listener
  return { ...watch, network, listener, port, url: `http://127.0.0.1:${port}`, warnings, errors }
}

/** Sees every exchange come and end before `inner` does. */
function createWatch(inner: ServerHandlers['onExchange']) {
  const ends: boolean[] = []
  const sockets = new Set<Socket>()
  let requestCount = 0
  let wake = Promise.withResolvers<void>()
  const changed = (): void => {
    wake.resolve()
    wake = Promise.withResolvers()
  }
  const onExchange: ServerHandlers['onExchange'] = (exchange) => {
    exchange.onClose((finished) => {
      ends.push(finished)
      changed()
    })
    if (exchange instanceof HttpExchange) sockets.add(exchange.socket)
    requestCount++
    changed()
    inner(exchange)
  }
  return {
    onExchange,
    /** The connections that requests came on. */
    sockets,
    /** Waits until that many requests have come. */
    async requested(count: number): Promise<void> {
      while (requestCount < count) await wake.promise
    },
    /** How the next exchange that nobody asked about yet ended. */
    async ended(): Promise<boolean | undefined> {
      while (ends.length === 0) await wake.promise
      return ends.shift()
    },
  }
}

/** Reads nothing until asked: `received` waits until `part` was there that often, `all` until the connection is closed. */
async function dial(port: number, onCleanup: OnCleanup) {
  const socket = connect(port, '127.0.0.1')
  onCleanup(() => socket.destroy())
  await once(socket, 'connect')
  let text = ''
  const read = (): void => {
    if (socket.listenerCount('data') === 0) socket.on('data', (chunk) => (text += chunk))
  }
  return {
    socket,
    async received(part: string, count = 1): Promise<string> {
      read()
      while (text.split(part).length - 1 < count) await once(socket, 'data')
      return text
    },
    async all(): Promise<string> {
      read()
      if (!socket.closed) await once(socket, 'close')
      return text
    },
  }
}

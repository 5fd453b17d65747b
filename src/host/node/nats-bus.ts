/** The bus of a cell whose gateways and coordinators are processes of their own: messages through a NATS server. */
import { connect, type NatsConnection, RequestError } from '@nats-io/transport-node'
import type { Bus, BusCall, Clock, Log, Subscription } from '#host/host.ts'
import { formatDuration } from '#kernel/time.ts'
import { Problem } from '#protocol/problem.ts'

export interface NatsBusOptions {
  /** `nats://[user:password@]host[:port][,host…][/prefix]`, or `tls://…`. Networks on one server differ by prefix. */
  readonly url: string
  /** Shown by the server's own tools, e.g. `gateway gateway_…`. */
  readonly name: string
}

export interface NatsBus extends Bus {
  /** Sends what waits, then disconnects. */
  close(): Promise<void>
}

const CONNECT_TIMEOUT_MS = 5_000
const RECONNECT_WAIT_MS = 250
const PREFIX = 'shoal'
/** With nobody to answer the server says so at once; callers expect that asking again takes a moment. */
const UNSERVED_PAUSE_MS = 250

/**
 * Connects; rejects with `Problem('network_unreachable')` when no server answers in 5 s. A connection that breaks
 * later comes back by itself: meanwhile requests time out and messages are lost, as they may on any bus.
 */
export async function openNatsBus(
  { clock, log }: { clock: Clock; log: Log },
  { url, name }: NatsBusOptions,
): Promise<NatsBus> {
  const { servers, prefix, user, pass, tls } = readUrl(url)
  let connection: NatsConnection
  try {
    connection = await connect({
      servers,
      name,
      timeout: CONNECT_TIMEOUT_MS,
      reconnect: true,
      maxReconnectAttempts: -1,
      reconnectTimeWait: RECONNECT_WAIT_MS,
      // A server that starts, or reads its users anew, may not know us for a moment: that is no reason to give it up.
      ignoreAuthErrorAbort: true,
      // Two stacks for each call, in case that it fails: its caller knows what it asked.
      noAsyncTraces: true,
      ...(user === '' ? {} : { user, pass }),
      ...(tls ? { tls: {} } : {}),
    })
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new Problem(
      'network_unreachable',
      `The message server ${servers.join(', ')} does not let us in: ${why}. Start one with "nats-server -a 127.0.0.1", or correct --bus.`,
      { cause },
    )
  }
  watch(connection, log).catch((error: unknown) => log.warn('bus.unwatched', { message: String(error) }))
  return new ConnectedBus({ connection, prefix, clock, log })
}

/** The parts of a bus URL. Throws `Problem('config_invalid')`. */
export function readUrl(text: string): {
  servers: string[]
  prefix: string
  user: string
  pass: string
  tls: boolean
} {
  const match = /^(nats|tls):\/\/(?:([^:@/]*)(?::([^@/]*))?@)?([^/@]+)(?:\/([a-z0-9-]+))?\/?$/.exec(text)
  if (!match) {
    throw new Problem(
      'config_invalid',
      'The bus is not of the form nats://[user:password@]host[:port][/prefix], where a prefix has small letters, digits and hyphens.',
    )
  }
  const [, scheme, user = '', pass = '', hosts = '', prefix = PREFIX] = match
  return {
    servers: hosts.split(','),
    prefix,
    user: decode(user),
    pass: decode(pass),
    tls: scheme === 'tls',
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (cause) {
    throw new Problem('config_invalid', 'The user or password in --bus is malformed: write % as %25.', {
      cause,
    })
  }
}

async function watch(connection: NatsConnection, log: Log): Promise<void> {
  for await (const status of connection.status()) {
    const server = connection.getServer()
    if (status.type === 'disconnect') log.warn('bus.disconnected', { server })
    else if (status.type === 'reconnect') log.info('bus.reconnected', { server })
    else if (status.type === 'error') log.warn('bus.failed', { server, message: status.error.message })
  }
}

class ConnectedBus implements NatsBus {
  readonly #connection: NatsConnection
  readonly #prefix: string
  readonly #clock: Clock
  readonly #log: Log

  constructor(parts: { connection: NatsConnection; prefix: string; clock: Clock; log: Log }) {
    this.#connection = parts.connection
    this.#prefix = parts.prefix
    this.#clock = parts.clock
    this.#log = parts.log
  }

  publish(subject: string, message: string): void {
    // Once it is closed for good, messages are lost as they are while it is away.
    if (this.#connection.isClosed()) return
    if (this.#fits(subject, message)) this.#connection.publish(this.#full(subject), message)
  }

  subscribe(subject: string, receive: (message: string) => void): Subscription {
    const own = this.#connection.subscribe(this.#full(subject), {
      callback: (error, message) => {
        if (error) this.#log.warn('bus.delivery_failed', { subject, message: error.message })
        else receive(message.string())
      },
    })
    return { close: () => own.unsubscribe() }
  }

  request(
    { subject, message, timeoutMs }: BusCall,
    done: (problem: Problem | null, reply: string) => void,
  ): void {
    if (!this.#fits(subject, message)) {
      this.#clock.after(timeoutMs, () => done(noReply(subject, timeoutMs, 'it is too long to send'), ''))
      return
    }
    this.#connection.request(this.#full(subject), message, { timeout: timeoutMs }).then(
      (reply) => done(null, reply.string()),
      (error: unknown) => {
        const isUnserved = error instanceof RequestError && error.isNoResponders()
        const problem = noReply(
          subject,
          timeoutMs,
          isUnserved ? 'nothing serves it' : 'its server has not replied',
        )
        this.#clock.after(isUnserved ? Math.min(UNSERVED_PAUSE_MS, timeoutMs) : 0, () => done(problem, ''))
      },
    )
  }

  serve(subject: string, answer: (message: string, reply: (message: string) => void) => void): Subscription {
    const own = this.#connection.subscribe(this.#full(subject), {
      callback: (error, message) => {
        if (error) return this.#log.warn('bus.delivery_failed', { subject, message: error.message })
        answer(message.string(), (reply) => {
          if (this.#fits(subject, reply) && !this.#connection.isClosed()) message.respond(reply)
        })
      },
    })
    return { close: () => own.unsubscribe() }
  }

  async close(): Promise<void> {
    if (!this.#connection.isClosed()) await this.#connection.drain()
  }

  #full(subject: string): string {
    return `${this.#prefix}.${subject}`
  }

  /** Longer than the server takes, a message would cost the whole connection. */
  #fits(subject: string, message: string): boolean {
    const bytesMax = this.#connection.info?.max_payload ?? Number.POSITIVE_INFINITY
    if (message.length * 3 <= bytesMax || Buffer.byteLength(message) <= bytesMax) return true
    this.#log.error('bus.message_too_long', { subject, bytes: Buffer.byteLength(message), bytesMax })
    return false
  }
}

const noReply = (subject: string, timeoutMs: number, found: string): Problem =>
  new Problem(
    'bus_timeout',
    `No reply on "${subject}" within ${formatDuration(timeoutMs)}: ${found}. Try again.`,
    {
      details: { subject },
    },
  )

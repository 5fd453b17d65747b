/** Hands a whole call to another worker and its answer back, piece by piece; a slow reader slows the other worker. */
import type { Exchange } from '#host/host.ts'
import type { Problem } from '#protocol/problem.ts'
import type { Peer } from './peers.ts'

/** HTTP to another worker: callbacks and back-pressure, as engines have it to theirs. */
interface WorkerHttp {
  request(
    call: {
      readonly method: 'POST'
      readonly path: string
      readonly headers: Readonly<Record<string, string>>
      readonly body: string
      readonly headMsMax: number
      readonly silenceMsMax: number
    },
    handlers: {
      onHead(status: number, headers: Readonly<Record<string, string>>): void
      onData(bytes: Uint8Array): void
      onEnd(): void
      onFail(problem: Problem): void
    },
  ): { abort(): void; pause(): void; resume(): void }
  close(): Promise<void>
}
export interface WorkerPorts {
  openUpstream(origin: URL): WorkerHttp
}

/**
 * Says that the call comes from another worker. `keyed`: to the keeper of its key, and may go on; `final`: no further;
 * `counted`: no further, and its keeper has counted it. Behind it stands what only the workers of one machine know.
 */
export const FORWARDED = 'x-shoal-forwarded'
const hops = ['keyed', 'final', 'counted'] as const
export type Hop = (typeof hops)[number]
/** The other worker has its own limits, and ends what takes too long with an answer. */
const HEAD_MS_MAX = 10 * 60_000
const SILENCE_MS_MAX = 2 * 60_000
/** Written anew by each connection, or judged here already. */
const DROPPED = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-length', 'date'])
const SENT_ON = [
  'authorization',
  'content-type',
  'accept',
  'idempotency-key',
  'traceparent',
  'tracestate',
  'user-agent',
]

export interface ForwardedCall {
  readonly to: Peer
  readonly hop: Hop
  readonly body: Uint8Array
  /** Its answer comes in pieces; otherwise it is passed on whole. */
  readonly isStream: boolean
}

export interface Forwarder {
  /** `failed` is called, and nothing was answered, when the other worker cannot be reached. */
  forward(exchange: Exchange, call: ForwardedCall, failed: (problem: Problem) => void): void
  /** How it came from another worker; `null` for one of a client, whatever its headers say. */
  hopOf(exchange: Pick<Exchange, 'headers'>): Hop | null
  close(): Promise<void>
}

/** `secret`: known to the workers of one machine alone. */
export function createForwarder(ports: WorkerPorts, secret: string): Forwarder {
  const open = new Map<string, WorkerHttp>()

  function upstreamOf(url: string): WorkerHttp {
    const upstream = open.get(url) ?? ports.openUpstream(new URL(url))
    open.set(url, upstream)
    return upstream
  }

  return {
    forward(exchange, { to, hop, body, isStream }, failed) {
      const answer = isStream ? inPieces(exchange) : whole(exchange)
      let hasHead = false
      let isOver = false
      const call = {
        method: 'POST',
        path: exchange.target,
        headers: { ...headersFor(exchange, hop), [FORWARDED]: `${hop} ${secret}` },
        body: decoder.decode(body),
        headMsMax: HEAD_MS_MAX,
        silenceMsMax: SILENCE_MS_MAX,
      } as const
      const upstream = upstreamOf(to.url).request(call, {
        onHead(status, headers) {
          hasHead = true
          answer.head(status, answered(headers))
        },
        onData(bytes) {
          if (!answer.data(bytes)) upstream.pause()
        },
        onEnd() {
          isOver = true
          answer.end()
        },
        onFail(problem) {
          isOver = true
          // Cut short: a truncated answer must not look complete.
          if (hasHead) exchange.abort()
          else failed(problem)
        },
      })
      exchange.onDrain(() => {
        if (!isOver) upstream.resume()
      })
      exchange.onClose((finished) => {
        if (!finished && !isOver) upstream.abort()
      })
    },
    hopOf: ({ headers }) => hops.find((hop) => headers[FORWARDED] === `${hop} ${secret}`) ?? null,
    async close() {
      await Promise.all([...open.values()].map((upstream) => upstream.close()))
    },
  }
}

interface Answer {
  head(status: number, headers: Record<string, string>): void
  /** False when the reader is slow. */
  data(bytes: Uint8Array): boolean
  end(): void
}

const inPieces = (exchange: Exchange): Answer => ({
  head: (status, headers) => exchange.start(status, headers),
  data: (bytes) => exchange.write(bytes),
  end: () => exchange.end(),
})

function whole(exchange: Exchange): Answer {
  const pieces: Uint8Array[] = []
  let head = { status: 502, headers: {} }
  return {
    head(status, headers) {
      head = { status, headers }
    },
    data: (bytes) => pieces.push(Uint8Array.from(bytes)) > 0,
    end: () => exchange.respond(head.status, head.headers, Buffer.concat(pieces)),
  }
}

/** A body that was read as JSON is UTF-8. */
const decoder = new TextDecoder()

function headersFor({ headers, clientAddress }: Exchange, hop: Hop): Record<string, string> {
  const sent: Record<string, string> = {}
  for (const name of SENT_ON) {
    const value = headers[name]
    if (value !== undefined && !(hop !== 'keyed' && name === 'idempotency-key')) sent[name] = value
  }
  if (clientAddress !== undefined) sent['x-forwarded-for'] = clientAddress
  return sent
}

const answered = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !DROPPED.has(name)))

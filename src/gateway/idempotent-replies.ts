/**
 * Replies kept under the caller's `Idempotency-Key`, in memory: a call that comes again is answered as before and
 * computed once. Streams are not kept; while one is under way its key is taken. What failed may be tried anew.
 */
import type { Clock, Crypto, Exchange } from '#host/host.ts'
import { Problem } from '#protocol/problem.ts'

export interface Claim {
  readonly exchange: Exchange
  readonly body: Uint8Array
  /** Whose request on which path: callers never meet each other's keys. */
  readonly scope: string
  readonly key: string
  readonly isStream: boolean
}

export interface IdempotentReplies {
  /** An exchange to answer on instead; a problem; or `null` when `exchange` has its answer already. */
  claim(claim: Claim): Exchange | Problem | null
  /** Bytes kept now. */
  bytes(): number
}

interface Kept {
  readonly bodyHash: string
  readonly sinceMs: number
  /** `null` while it is under way. */
  reply: { status: number; headers: Record<string, string>; body: Uint8Array | string } | null
  bytes: number
}

const KEEP_MS = 10 * 60_000
const KEY_LENGTH_MAX = 255
const ENTRIES_MAX = 10_000
const BYTES_MAX = 64 * 1024 * 1024
const REPLY_BYTES_MAX = 2 * 1024 * 1024

export function createIdempotentReplies({
  clock,
  crypto,
}: {
  clock: Clock
  crypto: Crypto
}): IdempotentReplies {
  // In order of arrival: the oldest are the first.
  const kept = new Map<string, Kept>()
  let bytes = 0

  function forget(key: string): void {
    bytes -= kept.get(key)?.bytes ?? 0
    kept.delete(key)
  }

  /** Drops what is too old, and the oldest replies beyond the bounds; what is under way stays. */
  function trim(): void {
    const nowMs = clock.elapsedMs()
    for (const [key, { sinceMs, reply }] of kept) {
      const isOld = nowMs - sinceMs > KEEP_MS
      if (!isOld && bytes <= BYTES_MAX && kept.size <= ENTRIES_MAX) return
      if (reply) forget(key)
    }
  }

  return {
    bytes: () => bytes,
    claim({ exchange, body, scope, key: callersKey, isStream }) {
      if (callersKey.length > KEY_LENGTH_MAX) {
        return new Problem('invalid_request', `Idempotency-Key is longer than ${KEY_LENGTH_MAX} characters.`)
      }
      trim()
      const key = `${scope} ${callersKey}`
      const bodyHash = Buffer.from(crypto.sha256(body)).toString('base64')
      const before = kept.get(key)
      if (before && (!before.reply || clock.elapsedMs() - before.sinceMs <= KEEP_MS)) {
        if (before.bodyHash !== bodyHash) return differs()
        if (!before.reply) return underWay()
        const { status, headers, body: text } = before.reply
        exchange.respond(status, { ...headers, 'idempotent-replayed': 'true' }, text)
        return null
      }
      forget(key)
      const entry: Kept = { bodyHash, sinceMs: clock.elapsedMs(), reply: null, bytes: 0 }
      kept.set(key, entry)
      // Also after an answer: then it is kept already, and nothing is under way.
      exchange.onClose(() => {
        if (kept.get(key) === entry && !entry.reply) forget(key)
      })
      return isStream
        ? exchange
        : keeping(exchange, (reply) => {
            const size = reply.body.length
            if (reply.status !== 200 || size > REPLY_BYTES_MAX || kept.get(key) !== entry) return
            entry.reply = reply
            entry.bytes = size
            bytes += size
            trim()
          })
    },
  }
}

/** The exchange, and a copy of what is answered on it. */
function keeping(exchange: Exchange, keep: (reply: NonNullable<Kept['reply']>) => void): Exchange {
  return {
    method: exchange.method,
    target: exchange.target,
    headers: exchange.headers,
    clientAddress: exchange.clientAddress,
    readBody: (bytesMax, done) => exchange.readBody(bytesMax, done),
    respond(status, headers, body) {
      keep({ status, headers, body })
      exchange.respond(status, headers, body)
    },
    start: (status, headers) => exchange.start(status, headers),
    write: (chunk) => exchange.write(chunk),
    end: () => exchange.end(),
    abort: () => exchange.abort(),
    onDrain: (run) => exchange.onDrain(run),
    onClose: (run) => exchange.onClose(run),
  }
}

const underWay = (): Problem =>
  new Problem(
    'conflict',
    'A request with this Idempotency-Key is still under way. Try again when it is over.',
    {
      details: { code: 'idempotency_key_in_use', retryAfterMs: 2_000 },
    },
  )

const differs = (): Problem =>
  new Problem(
    'invalid_request',
    'This Idempotency-Key was used with another body in the last 10 minutes. Use a new key for a new request.',
    { details: { code: 'idempotency_key_reused' } },
  )

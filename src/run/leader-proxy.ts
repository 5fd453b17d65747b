/**
 * Hands calls of the control API on to whichever coordinator leads now, so that clients need one address: a gateway's.
 * A call that reached nobody is held for a while and given to the next one that leads. One that was under way when its
 * leader stopped ends with `unavailable` and may simply be repeated: every command has an id of its own.
 */
import { guardRequest } from '#coordinator/control-guard.ts'
import { type FetchHandler, SOURCE_HEADER } from '#host/exchange-fetch.ts'
import type { Clock, Network } from '#host/host.ts'
import { rootOf } from '#host/node/network-problem.ts'
import type { GuardOptions } from '#host/page-guard.ts'
import { Problem, toProblem } from '#protocol/problem.ts'

export interface LeaderProxyParts {
  readonly clock: Pick<Clock, 'after' | 'elapsedMs'>
  readonly network: Pick<Network, 'fetch'>
  /** Where the coordinator that leads listens; null when none was heard of. */
  leaderUrl(): string | null
  readonly guard: GuardOptions
}

/** Of one connection to the next, never of the message. */
const HOP_HEADERS = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'content-length',
  'content-encoding',
  'expect',
]

/** How long a call that reached nobody is held for the next coordinator to lead: longer than a lease and a start. */
export const HOLD_MS = 6_000
const LOOK_EVERY_MS = 50
/** More than so many at once, or so many bytes of bodies, are told at once that nobody leads. */
const HELD_MAX = 1_000
const HELD_BYTES_MAX = 32 * 1024 * 1024

export function leaderProxy(parts: LeaderProxyParts): FetchHandler {
  const { clock, network } = parts
  let held = 0
  let heldBytes = 0

  /** True once there may be somebody to ask again, false when it is time to give up. */
  async function waitForLeader(
    body: ArrayBuffer | null,
    untilMs: number,
    signal: AbortSignal,
  ): Promise<boolean> {
    const bytes = body?.byteLength ?? 0
    if (held >= HELD_MAX || heldBytes + bytes > HELD_BYTES_MAX) return false
    held++
    heldBytes += bytes
    await new Promise<void>((resolve) => clock.after(LOOK_EVERY_MS, resolve))
    held--
    heldBytes -= bytes
    return !signal.aborted && clock.elapsedMs() < untilMs
  }

  return async (request) => {
    guardRequest(request, parts.guard)
    const { method, signal } = request
    const body = method === 'GET' || method === 'HEAD' ? null : await request.arrayBuffer()
    const untilMs = clock.elapsedMs() + HOLD_MS
    for (;;) {
      const leaderUrl = parts.leaderUrl()
      if (leaderUrl === null) throw away('No coordinator has been heard of yet')
      try {
        const response = await network.fetch(forwarded(request, leaderUrl, body))
        return new Response(response.body, { status: response.status, headers: without(response.headers) })
      } catch (error) {
        const problem = toProblem(error)
        if (problem.code === 'cancelled') throw problem
        // Only what surely reached nobody is sent again: whether a call that was cut has happened is for its caller to ask.
        if (!reachedNobody(error) || !(await waitForLeader(body, untilMs, signal)))
          throw away(problem.message, error)
      }
    }
  }
}

/** Nothing listened there, so nothing was sent. */
const reachedNobody = (error: unknown): boolean => rootOf(error).code === 'ECONNREFUSED'

function forwarded(request: Request, leaderUrl: string, body: ArrayBuffer | null): Request {
  const { pathname, search } = new URL(request.url)
  const headers = without(request.headers)
  // Origin and host were judged here, by the names that this gateway has.
  for (const name of ['host', 'origin', 'sec-fetch-site']) headers.delete(name)
  // Said anew, for what the client itself claimed was judged at this gateway's own door.
  headers.delete('x-forwarded-for')
  const client = headers.get(SOURCE_HEADER)
  if (client !== null) headers.set('x-forwarded-for', client)
  headers.delete(SOURCE_HEADER)
  headers.set('accept-encoding', 'identity')
  const { method, signal } = request
  return new Request(`${leaderUrl}${pathname}${search}`, {
    method,
    headers,
    body,
    signal,
    redirect: 'manual',
  })
}

function without(headers: Headers): Headers {
  const kept = new Headers(headers)
  for (const name of HOP_HEADERS) kept.delete(name)
  return kept
}

const away = (why: string, cause?: unknown): Problem =>
  new Problem(
    'unavailable',
    `The network's coordinator does not answer: ${why.replace(/\.$/, '')}. Try again in a moment; requests to models are served meanwhile.`,
    { cause },
  )

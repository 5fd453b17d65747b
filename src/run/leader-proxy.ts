/**
 * Hands calls of the control API on to whichever coordinator leads now, so that clients need one address: a gateway's.
 * A call that reached nobody is held for a while and given to the next one that leads. One that was under way when its
 * leader stopped ends with `unavailable` and may simply be repeated: every command has an id of its own.
 */
import { guardRequest } from '#coordinator/control-guard.ts'
import { type FetchHandler, SOURCE_HEADER } from '#host/exchange-fetch.ts'
import type { GuardOptions } from '#host/page-guard.ts'
import { Problem, toProblem } from '#protocol/problem.ts'
import { type LeaderWatchParts, reachedNobody, watchAbsence, watchCalls } from './leader-watch.ts'

export interface LeaderProxyParts extends LeaderWatchParts {
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
/** More than so many at once, or so many bytes of bodies, are told at once that nobody leads. */
const HELD_MAX = 1_000
const HELD_BYTES_MAX = 32 * 1024 * 1024

/** So many of those that were held are under way at once: a leader that has just begun meets them one after the other. */
const RESUMED_MAX = 16

/** Asks to be kept waiting for news: it would keep the turn of others as long. */
const waits = ({ url }: Request): boolean => new URL(url).searchParams.has('waitMs')

export function leaderProxy(parts: LeaderProxyParts): FetchHandler {
  const { clock, network } = parts
  const absence = watchAbsence(parts)
  const underWay = watchCalls(parts)
  const inTurn = takeTurns(RESUMED_MAX)
  let held = 0
  let heldBytes = 0

  /** True once there may be somebody to ask again, false when it is time to give up. */
  async function waitForLeader(
    leaderUrl: string,
    body: ArrayBuffer | null,
    untilMs: number,
    signal: AbortSignal,
  ): Promise<boolean> {
    const bytes = body?.byteLength ?? 0
    if (held >= HELD_MAX || heldBytes + bytes > HELD_BYTES_MAX) return false
    held++
    heldBytes += bytes
    await absence.over(leaderUrl, untilMs, signal)
    held--
    heldBytes -= bytes
    return !signal.aborted && clock.elapsedMs() < untilMs
  }

  return async (request) => {
    guardRequest(request, parts.guard)
    const { method, signal } = request
    const body = method === 'GET' || method === 'HEAD' ? null : await request.arrayBuffer()
    const untilMs = clock.elapsedMs() + HOLD_MS
    for (let wasHeld = false; ; wasHeld = true) {
      const leaderUrl = parts.leaderUrl()
      if (leaderUrl === null) throw away('No coordinator has been heard of yet')
      const isAbsent = absence.isAbsent(leaderUrl)
      try {
        if (isAbsent) throw new Problem('network_unreachable', `nobody listens at ${leaderUrl}`)
        const send = () =>
          underWay.with(leaderUrl, signal, (signalOfBoth) =>
            network.fetch(forwarded(request, leaderUrl, body, signalOfBoth)),
          )
        const response = await (wasHeld && !waits(request) ? inTurn(send) : send())
        return new Response(response.body, { status: response.status, headers: without(response.headers) })
      } catch (error) {
        const problem = toProblem(error)
        if (problem.code === 'cancelled') throw problem
        // Only what surely reached nobody is sent again: whether a call that was cut has happened is for its caller to ask.
        const isUnsent = isAbsent || reachedNobody(error)
        if (!isUnsent || !(await waitForLeader(leaderUrl, body, untilMs, signal)))
          throw away(problem.message, error)
      }
    }
  }
}

/** Runs at most `max` at once; the others wait for their turn, oldest first. */
function takeTurns(max: number): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = []
  let running = 0
  return async (work) => {
    if (running < max) running++
    else await new Promise<void>((go) => waiting.push(go))
    try {
      return await work()
    } finally {
      // Whoever waits longest takes over the place.
      const next = waiting.shift()
      if (next) next()
      else running--
    }
  }
}

function forwarded(
  request: Request,
  leaderUrl: string,
  body: ArrayBuffer | null,
  signal: AbortSignal,
): Request {
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
  const { method } = request
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

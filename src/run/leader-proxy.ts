/**
 * Hands calls of the control API on to whichever coordinator leads now, so that clients need one address: a gateway's.
 * A call that met no leader, or one that stopped meanwhile, ends with `unavailable` and may simply be repeated: every
 * command has an id of its own.
 */
import { guardRequest } from '#coordinator/control-guard.ts'
import { type FetchHandler, SOURCE_HEADER } from '#host/exchange-fetch.ts'
import type { Network } from '#host/host.ts'
import type { GuardOptions } from '#host/page-guard.ts'
import { Problem, toProblem } from '#protocol/problem.ts'

export interface LeaderProxyParts {
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

export function leaderProxy(parts: LeaderProxyParts): FetchHandler {
  return async (request) => {
    guardRequest(request, parts.guard)
    const leaderUrl = parts.leaderUrl()
    if (leaderUrl === null) throw away('No coordinator has been heard of yet')
    try {
      const response = await parts.network.fetch(await forwarded(request, leaderUrl))
      return new Response(response.body, { status: response.status, headers: without(response.headers) })
    } catch (error) {
      const problem = toProblem(error)
      if (problem.code === 'cancelled') throw problem
      throw away(problem.message, error)
    }
  }
}

async function forwarded(request: Request, leaderUrl: string): Promise<Request> {
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
  const body = method === 'GET' || method === 'HEAD' ? null : await request.arrayBuffer()
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

/** The typed client of a route table, over any `fetch`. */
import { z } from 'zod'
import { describeIssue } from './describe-issue.ts'
import { Problem, type ProblemCode, type ProblemDetails, problemKinds } from './problem.ts'
import { type Api, type CallOptions, needsKey, type Route, type Routes } from './route.ts'
import type { ControlRoutes } from './routes.ts'

/** Sends one request; rejects with a `Problem` when no answer came, or with the signal's reason. */
export type Fetch = (request: Request) => Promise<Response>

export interface ClientOptions {
  /** Origin of the API, with or without a slash at its end. */
  readonly baseUrl: string
  readonly apiKey?: string
  readonly fetch: Fetch
}

/** The control API's client. */
export type Client = Api<ControlRoutes>

interface Input {
  readonly params?: unknown
  readonly query?: unknown
  readonly body?: unknown
}

/** One function per route. Each rejects with the `Problem` that the server gave, or `internal` for an answer that is none of ours. */
export function createClient<T extends Routes>(routes: T, options: ClientOptions): Api<T> {
  const call = async (route: Route, input: Input, callOptions: CallOptions): Promise<unknown> => {
    const request = buildRequest(route, input, { ...options, ...callOptions })
    const response = await options.fetch(request)
    return readReply(route, request, response)
  }
  const entries = Object.entries(routes).map(([name, route]) => [
    name,
    (input: Input = {}, callOptions: CallOptions = {}) => call(route, input, callOptions),
  ])
  // Each entry was made from the route of its own name, which is what `Api` says of it.
  return Object.fromEntries(entries) as Api<T>
}

function buildRequest(route: Route, input: Input, options: ClientOptions & CallOptions): Request {
  const { baseUrl, apiKey, signal } = options
  const headers: Record<string, string> = { accept: 'application/json' }
  if (apiKey !== undefined && needsKey(route)) {
    headers['authorization'] = `Bearer ${apiKey}`
  }
  const init: RequestInit = { method: route.method, headers }
  if (signal) init.signal = signal
  if (route.method !== 'GET' && route.body) {
    headers['content-type'] = 'application/json'
    init.body = JSON.stringify(encode(route.body, input.body, 'the body'))
  }
  return new Request(baseUrl.replace(/\/+$/, '') + formatTarget(route, input), init)
}

/** Path and query. A colon stays readable, as ids of accounts have one. */
function formatTarget(route: Route, input: Input): string {
  const params = route.params ? stringsOf(encode(route.params, input.params, 'the path')) : {}
  const path = route.path.replace(/:(\w+)/g, (_, name: string) =>
    encodeURIComponent(params[name] ?? '').replaceAll('%3A', ':'),
  )
  const query = route.query ? stringsOf(encode(route.query, input.query ?? {}, 'the query')) : {}
  const search = new URLSearchParams(query).toString()
  return search === '' ? path : `${path}?${search}`
}

const stringsOf = (value: unknown): Record<string, string> =>
  Object.fromEntries(
    Object.entries(value as object)
      .filter(([, item]) => item !== undefined)
      .map(([key, item]) => [key, String(item)]),
  )

/** A value that the schema refuses never leaves: the caller hears it as the server would have said it. */
function encode(schema: z.ZodType, value: unknown, where: string): unknown {
  const encoded = z.safeEncode(schema, value)
  if (encoded.success) return encoded.data
  throw new Problem('invalid_request', describeIssue(encoded.error, where), { cause: encoded.error })
}

async function readReply(route: Route, request: Request, response: Response): Promise<unknown> {
  const text = await response.text()
  const json = parseJson(text)
  if (!response.ok) throw problemOf(request, response, json)
  const reply = z.safeDecode(route.reply, json as never)
  if (reply.success) return reply.data
  throw new Problem(
    'internal',
    `The answer of ${request.url} is not what this version of Shoal knows (${describeIssue(reply.error, 'the reply')}) Check that the address is a Shoal network and that both sides run the same release.`,
    { cause: reply.error },
  )
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Not JSON at all is told apart by the callers, which know what they expected.
    return undefined
  }
}

const RemoteProblem = z.looseObject({ code: z.string(), detail: z.string() })
const RESERVED = new Set(['type', 'title', 'status', 'detail', 'code', 'retriable'])

/** The server's problem as it was thrown there; a code that this release does not know is `internal`. */
function problemOf(request: Request, response: Response, json: unknown): Problem {
  const remote = RemoteProblem.safeParse(json)
  if (!remote.success) {
    return new Problem(
      'internal',
      `${request.url} answered ${response.status} without a problem document. Check that the address is a Shoal network's.`,
    )
  }
  const { code, detail } = remote.data
  const known = Object.hasOwn(problemKinds, code) ? (code as ProblemCode) : 'internal'
  return new Problem(known, detail, { details: detailsOf(remote.data, response) })
}

function detailsOf(remote: Record<string, unknown>, response: Response): ProblemDetails {
  const details: Record<string, string | number | boolean | null> = {}
  for (const [key, value] of Object.entries(remote)) {
    if (RESERVED.has(key)) continue
    if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) {
      details[key] = value as string | number | boolean | null
    }
  }
  const requestId = response.headers.get('x-request-id')
  if (requestId !== null) details['requestId'] = requestId
  return details
}

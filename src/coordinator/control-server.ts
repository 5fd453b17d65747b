/**
 * The control API as one `fetch(Request) → Response`, derived from the route table. In order: host and origin, route,
 * key, scope, input, handler; so a caller without a key learns nothing about what it asked for.
 */
import { Hono } from 'hono'
import { z } from 'zod'
import { SOURCE_HEADER } from '#host/exchange-fetch.ts'
import type { Clock, Log } from '#host/host.ts'
import type { GuardOptions } from '#host/page-guard.ts'
import type { WebFile } from '#host/web-file.ts'
import { allows } from '#organisations/organisations.ts'
import { Problem, toProblemDetails } from '#protocol/problem.ts'
import {
  type CallContext,
  type Caller,
  type Handlers,
  matchesPath,
  needsKey,
  type Route,
  type Routes,
} from '#protocol/route.ts'
import type { Scope } from '#protocol/scope.ts'
import { guardRequest } from './control-guard.ts'
import { readInput } from './control-input.ts'
import { type ControlPage, controlPages } from './control-pages.ts'
import { PAGE_HEADERS } from './page-headers.ts'
import { webHandlers } from './web-files.ts'

export interface ControlServerOptions extends GuardOptions {
  readonly clock: Pick<Clock, 'elapsedMs'>
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>
  /** A new id for one request. */
  requestId(): string
  /**
   * Whose key this is; `null` for one that is unknown, expired or revoked. Throws `forbidden_source` for one that is
   * not good from that address.
   */
  authenticate(key: string, sourceAddress: string | null): Caller | null
  /** Told of each call that its key's scopes do not allow. */
  onScopeMissing?(caller: Caller, context: CallContext): Promise<void>
  /** False when another may lead by now: what this process has read must not leave. */
  mayAnswer(): boolean
  /** Where the OpenAI-compatible API is, with its `/v1`; shown on the home page. */
  readonly openAiBaseUrl: string
  /** The web pages that were built; `null` where they were not. */
  readonly webFiles?: readonly WebFile[] | null
  /** Pages that are made anew for each reader, by path. */
  readonly livePages?: Readonly<Record<string, () => Promise<ControlPage>>>
  /** Called with whatever a handler threw that is no `Problem`: a bug, after which the process must not go on. */
  onBug(error: unknown): void
}

interface ControlEnv {
  Variables: { requestId: string; route: string; keyId: string | null }
}
export type ControlServer = Hono<ControlEnv>

/** The server of `routes`. Problems that handlers throw are answered; anything else they throw goes to `onBug`. */
export function createControlServer<T extends Routes>(
  routes: T,
  handlers: Handlers<T>,
  options: ControlServerOptions,
): ControlServer {
  const app: ControlServer = new Hono<ControlEnv>()
  const pages = controlPages(options.openAiBaseUrl)
  app.use(async (c, next) => {
    const startedMs = options.clock.elapsedMs()
    const requestId = options.requestId()
    c.set('requestId', requestId)
    await next()
    c.res.headers.set('x-request-id', requestId)
    c.res.headers.set('x-content-type-options', 'nosniff')
    if (!c.res.headers.has('cache-control')) c.res.headers.set('cache-control', 'no-store')
    const { method } = c.req
    const fields = { requestId, method, route: c.get('route') ?? null, keyId: c.get('keyId') ?? null }
    const durationMs = Math.round(options.clock.elapsedMs() - startedMs)
    options.log.info('api.answered', { ...fields, status: c.res.status, durationMs })
  })
  app.use(async (c, next) => {
    guardRequest(c.req.raw, options)
    await next()
  })
  for (const [path, make] of Object.entries(pages)) app.get(path, () => pageResponse(make()))
  const { livePages = {} } = options
  for (const [path, make] of Object.entries(livePages)) {
    app.get(path, async () => pageResponse(await make()))
  }
  const web = webHandlers(options.webFiles ?? null)
  for (const [path, serve] of web) app.get(path, (c) => serve(c.req.raw))
  for (const [name, route] of Object.entries(routes)) {
    const handle = handlers[name] as Handle
    app.on(route.method, route.path, async (c) => {
      c.set('route', route.path)
      const sourceAddress = c.req.raw.headers.get(SOURCE_HEADER)
      const context: CallContext = {
        act: name,
        requestId: c.get('requestId'),
        sourceAddress,
        signal: c.req.raw.signal,
      }
      const caller = needsKey(route) ? identify(c.req.raw, sourceAddress, options) : null
      c.set('keyId', caller?.keyId ?? null)
      if (caller && !allows(caller.scopes, route.scope as Scope)) {
        await options.onScopeMissing?.(caller, context)
        throw scopeMissing(caller, route.scope)
      }
      const reply = await handle(await readInput(route, c.req.raw, c.req.param()), caller, context)
      if (!options.mayAnswer())
        throw new Problem('lease_lost', 'This coordinator leads no more. Try again: another answers soon.')
      return Response.json(z.encode(route.reply, reply), { status: route.status ?? 200 })
    })
  }
  const paths = [...Object.keys(pages), ...Object.keys(livePages), ...web.keys()]
  const known = [...paths.map((path) => ({ method: 'GET', path })), ...Object.values(routes)]
  app.notFound((c) => refuseUnknown(c.req.raw, known as readonly Pick<Route, 'method' | 'path'>[]))
  app.onError((error, c) => {
    if (error instanceof Problem) return problemResponse(error)
    options.log.error('api.broken', { requestId: c.get('requestId'), message: error.message })
    options.onBug(error)
    return problemResponse(
      new Problem(
        'internal',
        'The network made a mistake on this call. Try again; if it stays, report it with the request id.',
      ),
    )
  })
  return app
}

/** What `Handlers` says of a route, once its types were left behind by the loop over the table. */
type Handle = (input: unknown, caller: Caller | null, context: CallContext) => unknown

/** The caller of a route that needs a key. */
function identify(
  request: Request,
  sourceAddress: string | null,
  options: Pick<ControlServerOptions, 'authenticate'>,
): Caller {
  const header = request.headers.get('authorization')
  const key = /^bearer +([\x21-\x7e]{1,500})$/i.exec(header ?? '')?.[1]
  if (key === undefined) {
    throw new Problem(
      'invalid_api_key',
      header === null
        ? 'No API key was sent. Send one as `Authorization: Bearer <key>`.'
        : 'The `Authorization` header is not of the form `Bearer <key>`.',
    )
  }
  const caller = options.authenticate(key, sourceAddress)
  if (caller) return caller
  throw new Problem(
    'invalid_api_key',
    'This API key is unknown, expired or revoked. Check it, or make another with `shoal keys create`.',
  )
}

const scopeMissing = ({ scopes }: Caller, needed: string): Problem =>
  new Problem(
    'scope_missing',
    `This call needs the scope \`${needed}\`; the key has ${scopes.map((scope) => `\`${scope}\``).join(', ')}. Use a key that has it.`,
    { details: { scope: needed } },
  )

function refuseUnknown(request: Request, known: readonly Pick<Route, 'method' | 'path'>[]): Response {
  const { pathname } = new URL(request.url)
  const methods = known.filter((route) => matchesPath(route, pathname)).map((route) => route.method)
  if (methods.length === 0) {
    return problemResponse(
      new Problem('not_found', `There is nothing at ${pathname}. See /docs for what there is.`),
    )
  }
  const allow = [...new Set(methods.includes('GET') ? [...methods, 'HEAD'] : methods)].sort().join(', ')
  const problem = new Problem('method_not_allowed', `${pathname} takes ${allow}, not ${request.method}.`)
  return problemResponse(problem, { allow })
}

function problemResponse(problem: Problem, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(toProblemDetails(problem)), {
    status: problem.status,
    headers: {
      'content-type': 'application/problem+json',
      ...(problem.status === 401 && { 'www-authenticate': 'Bearer realm="shoal"' }),
      ...headers,
    },
  })
}

const pageResponse = ({ contentType, body }: ControlPage): Response =>
  new Response(body, {
    headers: { ...PAGE_HEADERS, 'content-type': contentType, 'cache-control': 'no-cache' },
  })

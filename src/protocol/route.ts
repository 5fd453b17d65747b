/**
 * One HTTP endpoint, declared once: the server, the typed client and the OpenAPI document all derive from it, so
 * none of them can say something else than the others.
 */
import type { z } from 'zod'
import type { Scope } from './scope.ts'

interface RouteBase {
  /** Path with `:name` placeholders, e.g. `/api/nodes/:nodeId`; each placeholder is a member of `params`. */
  readonly path: `/api/${string}`
  readonly summary: string
  /** Further sentences in Markdown, for the API page. */
  readonly description?: string
  readonly params?: z.ZodObject
  /** Wire values are strings; members are optional or codecs from strings. */
  readonly query?: z.ZodObject
  readonly reply: z.ZodType
  /** Status of success; 200 unless stated. */
  readonly status?: 200 | 201
}

export interface ReadRoute extends RouteBase {
  readonly method: 'GET'
  /** The least scope that may call it; `public` needs no key. */
  readonly scope: Scope | 'public'
}

/** Never `public`: whatever changes something is done by a key, or by a token in the body that was given for just that. */
/** Routes whose caller shows a token of the network's in the body, good for this one thing. */
export type TokenScope = 'enrolment_token' | 'invitation_token'

export interface WriteRoute extends RouteBase {
  readonly method: 'POST' | 'DELETE'
  readonly scope: Scope | TokenScope
  readonly body?: z.ZodObject
  /** The longest body that is taken; 1 MiB unless stated. */
  readonly bodyBytesMax?: number
  /** A body in wire form, for the API page; every route with a body has one. */
  readonly example?: Readonly<Record<string, unknown>>
}

export type Route = ReadRoute | WriteRoute
export type RouteScope = Route['scope']
export type Routes = Readonly<Record<string, Route>>

/** True when the route is for holders of an API key. */
export const needsKey = (route: { readonly scope: string }): boolean => !keyless.includes(route.scope)
const keyless: readonly string[] = ['public', 'enrolment_token', 'invitation_token'] satisfies (
  | TokenScope
  | 'public'
)[]

/** Who calls: a key that was checked, acting for its organisation. */
export interface Caller {
  readonly organisationId: string
  readonly keyId: string
  readonly scopes: readonly Scope[]
}

/** `Caller` for routes that need a key, `null` for the others. */
export type CallerOf<R extends Route> = R['scope'] extends Scope ? Caller : null

type Decoded<Schema> = Schema extends z.ZodType ? z.output<Schema> : never
type Part<R, Name extends 'params' | 'body'> =
  R extends Readonly<Record<Name, z.ZodObject>> ? Readonly<Record<Name, Decoded<R[Name]>>> : unknown
type QueryPart<R> = R extends { readonly query: z.ZodObject }
  ? Record<never, never> extends Decoded<R['query']>
    ? { readonly query?: Decoded<R['query']> }
    : { readonly query: Decoded<R['query']> }
  : unknown

/** What a caller gives: decoded `params`, `query` and `body`, those that the route has. */
export type InputOf<R extends Route> = Part<R, 'params'> & Part<R, 'body'> & QueryPart<R>
export type ReplyOf<R extends Route> = z.output<R['reply']>

type ReceivedInput<R extends Route> = Part<R, 'params'> &
  Part<R, 'body'> &
  (R extends { readonly query: z.ZodObject } ? { readonly query: Decoded<R['query']> } : unknown)

export interface CallOptions {
  /** Aborting it rejects the call with the signal's reason. */
  readonly signal?: AbortSignal
}

/** What a client offers: one function per route, input left out where nothing must be given. Rejects with `Problem`. */
export type Api<T extends Routes> = {
  readonly [Name in keyof T]: Record<never, never> extends InputOf<T[Name]>
    ? (input?: InputOf<T[Name]>, options?: CallOptions) => Promise<ReplyOf<T[Name]>>
    : (input: InputOf<T[Name]>, options?: CallOptions) => Promise<ReplyOf<T[Name]>>
}

/** Which call it is, for logs. */
export interface CallContext {
  /** The route's name. */
  readonly act: string
  readonly requestId: string
  /** The address that the request came from, as far as it is known. */
  readonly sourceAddress: string | null
  /** Aborted once the caller has left, where that is known. */
  readonly signal?: AbortSignal
}

/** The same functions on the server's end, told who calls. They throw `Problem` for what goes wrong outside. */
export type Handlers<T extends Routes> = {
  readonly [Name in keyof T]: (
    input: ReceivedInput<T[Name]>,
    caller: CallerOf<T[Name]>,
    context: CallContext,
  ) => Promise<ReplyOf<T[Name]>> | ReplyOf<T[Name]>
}

/** True when `path` (without query) is one of `route`'s. */
export const matchesPath = (route: Pick<Route, 'path'>, path: string): boolean =>
  new RegExp(`^${route.path.replace(/:\w+/g, '[^/]+')}$`).test(path)

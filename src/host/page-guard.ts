/**
 * Keeps a browser from being turned against a network on its own machine. A page of another site may point its own
 * name at 127.0.0.1 (DNS rebinding) and may post here without asking; the first is told by the `Host` header, the
 * second by `Origin` and `Sec-Fetch-Site`, which pages cannot forge. Programs send neither of the latter.
 */
import { Problem } from '#protocol/problem.ts'

export interface GuardOptions {
  /** Host names, without a port, that this server goes by besides the loopback ones: `*.example` for one label, `*` for all. */
  readonly hostnames: readonly string[]
  /** Further origins, such as `https://console.example`, whose pages may change things; `*` for all. */
  readonly origins: readonly string[]
}
/** What a request says of where it comes from. */
export interface Claims {
  readonly host: string
  readonly origin: string | undefined
  readonly site: string | undefined
}

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]']

/** Null when `host`, with or without a port, is one of the names; else `forbidden_origin`. */
export function refuseHost(host: string, { hostnames }: Pick<GuardOptions, 'hostnames'>): Problem | null {
  const hostname = hostnameOf(host)
  if (LOOPBACK.includes(hostname) || goesBy(hostname, hostnames)) return null
  return new Problem(
    'forbidden_origin',
    `This network does not go by the host name ${JSON.stringify(hostname.slice(0, NAME_SHOWN_MAX))}. Use the address that it printed when it started, or start it with --also-host NAME.`,
  )
}

/** Null when a program, a page of this server or one of an allowed origin asked; else `forbidden_origin`. */
export function refusePage(claims: Claims, { origins }: Pick<GuardOptions, 'origins'>): Problem | null {
  const { host, origin, site } = claims
  const isAllowed = origin !== undefined && (origins.includes(origin) || origins.includes('*'))
  if (isAllowed) return null
  const isOurs = origin === undefined || (host !== '' && originHost(origin) === host)
  if (isOurs && (site === undefined || site === 'same-origin' || site === 'none')) return null
  return new Problem(
    'forbidden_origin',
    `A page of ${origin?.slice(0, NAME_SHOWN_MAX) ?? 'another site'} may not call this network. Open the console at this network's own address, call the API from a program, or let that page call /v1 with --allow-origin.`,
  )
}

/** Of a header that anybody may fill. */
const NAME_SHOWN_MAX = 100

/** `hostname` is in lower case; a pattern stands for exactly one label, as in certificates. */
export function goesBy(hostname: string, hostnames: readonly string[]): boolean {
  if (hostnames.includes(hostname) || hostnames.includes('*')) return true
  const dot = hostname.indexOf('.')
  return dot > 0 && hostnames.includes(`*${hostname.slice(dot)}`)
}

/** `[::1]:80` → `[::1]`, `Example.com.:80` → `example.com`. */
const hostnameOf = (host: string): string => host.replace(/:\d*$/, '').replace(/\.$/, '').toLowerCase()

const originHost = (origin: string): string | null => URL.parse(origin)?.host ?? null

/**
 * Keeps a browser from being turned against a network on its own machine. A page of another site may point its own
 * name at 127.0.0.1 (DNS rebinding) and may post here without asking; the first is told by the `Host` header, the
 * second by `Origin` and `Sec-Fetch-Site`, which pages cannot forge. Programs send neither of the latter.
 */
import { Problem } from '#protocol/problem.ts'

export interface GuardOptions {
  /** Host names, without a port, that this server goes by besides the loopback ones; `*` when a proxy checks them. */
  readonly hostnames: readonly string[]
  /** Further origins, such as `https://console.example`, whose pages may change things. */
  readonly origins: readonly string[]
}

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]']

/** Throws `forbidden_origin` for a request that a page of another site may have caused. */
export function guardRequest(request: Request, options: GuardOptions): void {
  const host = request.headers.get('host') ?? new URL(request.url).host
  const { hostnames, origins } = options
  const hostname = hostnameOf(host)
  if (![...LOOPBACK, ...hostnames].includes(hostname) && !hostnames.includes('*')) {
    throw new Problem(
      'forbidden_origin',
      `This network does not go by the host name ${JSON.stringify(hostname)}. Use the address that it printed when it started, or add the name to its host names.`,
    )
  }
  if (request.method === 'GET' || request.method === 'HEAD') return
  const origin = request.headers.get('origin')
  const isOurs = origin === null || originHost(origin) === host || origins.includes(origin)
  const site = request.headers.get('sec-fetch-site')
  const isSameSite = site === null || site === 'same-origin' || site === 'none'
  if (isOurs && (isSameSite || origins.includes(origin ?? ''))) return
  throw new Problem(
    'forbidden_origin',
    `A page of ${origin ?? 'another site'} may not change anything here. Open the console at this network's own address, or call the API from a program.`,
  )
}

/** `[::1]:80` → `[::1]`, `Example.com.:80` → `example.com`. */
const hostnameOf = (host: string): string => host.replace(/:\d*$/, '').replace(/\.$/, '').toLowerCase()

function originHost(origin: string): string | null {
  return URL.canParse(origin) ? new URL(origin).host : null
}

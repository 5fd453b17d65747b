/**
 * `fetch` for addresses that somebody else chose: never to this machine nor its own network, whatever a name resolves
 * to and wherever a server sends on, except to hosts that the owner named.
 */
import { type LookupAddress, lookup } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import { Agent, fetch as undiciFetch } from 'undici'
import { Problem } from '#protocol/problem.ts'
import { networkProblem, placeOf } from './network-problem.ts'

const ranges: readonly (readonly [address: string, prefix: number, family: 'ipv4' | 'ipv6'])[] = [
  ['0.0.0.0', 8, 'ipv4'],
  ['10.0.0.0', 8, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['127.0.0.0', 8, 'ipv4'],
  ['169.254.0.0', 16, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.0.0.0', 24, 'ipv4'],
  ['192.0.2.0', 24, 'ipv4'],
  ['192.88.99.0', 24, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['198.18.0.0', 15, 'ipv4'],
  ['198.51.100.0', 24, 'ipv4'],
  ['203.0.113.0', 24, 'ipv4'],
  ['224.0.0.0', 3, 'ipv4'],
  ['::', 96, 'ipv6'],
  ['64:ff9b::', 96, 'ipv6'],
  ['64:ff9b:1::', 48, 'ipv6'],
  ['100::', 64, 'ipv6'],
  ['2001::', 23, 'ipv6'],
  ['2001:db8::', 32, 'ipv6'],
  ['2002::', 16, 'ipv6'],
  ['fc00::', 7, 'ipv6'],
  ['fe80::', 9, 'ipv6'],
  ['ff00::', 8, 'ipv6'],
]
const inside = new BlockList()
for (const [address, prefix, family] of ranges) inside.addSubnet(address, prefix, family)

/** True for an address of the internet at large: not of this machine, a local network, or a special purpose. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address)
  if (family === 0) return false
  return !inside.check(address, family === 6 ? 'ipv6' : 'ipv4')
}

const REFUSED = 'ERR_ADDRESS_NOT_PUBLIC'

/** As `dns.lookup`, without the addresses that are not public: a name that has no others does not resolve. */
const publicLookup: LookupFunction = (hostname, options, done) => {
  lookup(hostname, { ...options, all: true }, (error, found: LookupAddress[]) => {
    const good = error ? [] : found.filter(({ address }) => isPublicAddress(address))
    const [first] = good
    if (error || !first) {
      const refusal = error ?? Object.assign(new Error(`${hostname} is no public address`), { code: REFUSED })
      return done(refusal, '', 4)
    }
    if (options.all) (done as unknown as (error: null, all: LookupAddress[]) => void)(null, good)
    else done(null, first.address, first.family)
  })
}

const CONNECT_MS_MAX = 10_000
const openly = new Agent({ connect: { timeout: CONNECT_MS_MAX } })
const guarded = new Agent({ connect: { timeout: CONNECT_MS_MAX, lookup: publicLookup } })

/** `hosts`: names or addresses, with a port or for all ports, that may be gone to wherever they are. */
export const createPublicFetch =
  (hosts: readonly string[]) =>
  async (request: Request): Promise<Response> => {
    const url = new URL(request.url)
    const place = placeOf(url)
    const isNamed = isNamedHost(url, hosts)
    const literal = url.hostname.replace(/^\[|\]$/g, '')
    // An address is connected to without being looked up.
    if (!isNamed && isIP(literal) !== 0 && !isPublicAddress(literal)) throw notPublic(url)
    const { signal } = request
    try {
      const response = await undiciFetch(url, {
        method: request.method,
        headers: [...request.headers],
        redirect: 'manual',
        signal,
        dispatcher: isNamed ? openly : guarded,
      })
      // The same class by another name: Node's own `Response` is this one.
      return response as unknown as Response
    } catch (error) {
      if (signal.aborted) throw signal.reason instanceof Problem ? signal.reason : cancelled(place)
      if (hasCode(error, REFUSED)) throw notPublic(url)
      throw networkProblem(error, place)
    }
  }

/** Whether the owner named the host of `url`. */
export function isNamedHost({ hostname, host, port, protocol }: URL, hosts: readonly string[]): boolean {
  const withPort = port === '' ? `${host}:${protocol === 'https:' ? 443 : 80}` : host
  return hosts.some((named) => named === hostname || named === withPort)
}

function hasCode(error: unknown, code: string): boolean {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if ('code' in at && at.code === code) return true
  }
  return false
}

const notPublic = (url: URL): Problem =>
  new Problem(
    'config_invalid',
    `${url.hostname} is an address of this machine or of a local network, where this node fetches no models. Name it with --model-hosts ${url.host} if it is meant.`,
  )
const cancelled = (place: string): Problem => new Problem('cancelled', `The call to ${place} was given up.`)

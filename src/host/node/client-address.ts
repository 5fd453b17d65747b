/** Who a request comes from, where proxies may stand between. */
import { BlockList, isIP, isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'
import { Problem } from '#protocol/problem.ts'

export interface ClientAddresses {
  /** The client's address, or the problem of one that came past the proxy. */
  of(peer: string | undefined, forwardedFor: string | undefined): string | Problem | undefined
}

/** Believes what nobody but the peer says. */
export const peerAddresses: ClientAddresses = { of: (peer) => peer && plainAddress(peer) }

/**
 * Believes `X-Forwarded-For` as far as `proxies` have written it: from its end, where the nearest proxy added what it
 * saw, to the first that is no proxy's address; one that is no address at all leaves the nearest proxy. Throws `Problem('config_invalid')` for what is no address nor range.
 */
export function proxiedAddresses(proxies: readonly string[]): ClientAddresses {
  const trusted = new BlockList()
  const ownAddresses = createOwnAddresses()
  for (const proxy of proxies) addProxy(trusted, proxy)
  trusted.addSubnet('127.0.0.0', 8, 'ipv4')
  trusted.addAddress('::1', 'ipv6')
  const isProxy = (address: string): boolean =>
    isIP(address) !== 0 &&
    (trusted.check(address, isIPv6(address) ? 'ipv6' : 'ipv4') || ownAddresses().has(address))
  return {
    of(peer, forwardedFor) {
      if (peer === undefined) return undefined
      const nearest = plainAddress(peer)
      if (!isProxy(nearest)) return pastTheProxy(nearest)
      const said = (forwardedFor ?? '').split(',').map((entry) => plainAddress(withoutPort(entry.trim())))
      // What is in front of it was written by the client, also where a proxy wrote `unknown`.
      const client = said.findLast((address) => !isProxy(address)) ?? ''
      return isIP(client) === 0 ? nearest : client
    },
  }
}

function addProxy(trusted: BlockList, proxy: string): void {
  const [address = '', prefix] = proxy.split('/')
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
  const bits = Number(prefix ?? (family === 'ipv6' ? 128 : 32))
  if (isIP(address) === 0 || !Number.isInteger(bits) || bits < 0 || bits > (family === 'ipv6' ? 128 : 32)) {
    throw new Problem(
      'config_invalid',
      `The proxy ${JSON.stringify(proxy)} is neither an address nor a range, such as 10.0.0.5 or 10.0.0.0/8.`,
    )
  }
  trusted.addSubnet(address, bits, family)
}

/** Some proxies add the client's port: `198.51.100.7:51034`, `[2001:db8::1]:443`. */
const withoutPort = (entry: string): string => {
  const [, v6, v4] = /^(?:\[([^\]]+)\](?::\d+)?|(\d+(?:\.\d+){3}):\d+)$/.exec(entry) ?? []
  return v6 ?? v4 ?? entry
}

/** `::ffff:10.0.0.1` is 10.0.0.1, as a socket for both families writes it. */
const plainAddress = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, '')

/** Asked of the system now and then, for a network card may come and go. */
function createOwnAddresses(): () => ReadonlySet<string> {
  let own: ReadonlySet<string> = new Set()
  let askedMs = Number.NEGATIVE_INFINITY
  return () => {
    const nowMs = performance.now()
    if (nowMs - askedMs > ASK_EVERY_MS) {
      askedMs = nowMs
      own = new Set(
        Object.values(networkInterfaces()).flatMap((found = []) => found.map(({ address }) => address)),
      )
    }
    return own
  }
}
const ASK_EVERY_MS = 5_000

const pastTheProxy = (address: string): Problem =>
  new Problem(
    'forbidden_origin',
    `This network is behind a proxy, and ${address} is none of its own. Come by the network's public address; if that is your proxy, start the network with --trusted-proxy ${address}.`,
  )

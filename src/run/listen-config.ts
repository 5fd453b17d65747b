/** Where a process of the network listens, by whom it is reached, and by which names. */
import { networkInterfaces } from 'node:os'
import { z } from 'zod'
import type { CertificateFacts } from '#host/host.ts'
import { goesBy } from '#host/page-guard.ts'

const Port = z.int().min(0).max(65_535)

export const ListenConfig = z.object({
  hostname: z.string().min(1),
  port: Port,
  /** Several processes listen there together. */
  isShared: z.boolean().optional(),
  /** Where the programs of this machine come in plainly, when `hostname` and `port` are not for them; 0: any free port. */
  localPort: Port,
  /** PEM files; null: plain HTTP. */
  tls: z.object({ certFile: z.string(), keyFile: z.string() }).nullable(),
  /** Addresses and ranges of the proxies in front, besides this machine's own; null: none is there. */
  proxies: z.array(z.string()).nullable(),
  /** What agents and clients elsewhere are given: scheme, host and port. */
  publicUrl: z.string().nullable(),
  /** Further names by which others come, without a port; `*.example` for one label. */
  hostnames: z.array(z.string()),
  /** Origins of pages elsewhere that may call `/v1`; `*`: any. */
  pageOrigins: z.array(z.string()),
  /** Authorities whose certificates are believed besides those that this machine knows. */
  caFile: z.string().nullable(),
})
export type ListenConfig = z.output<typeof ListenConfig>

export const LOOPBACK = '127.0.0.1'

/** This machine alone, in plain HTTP, as nobody has to be told. */
export const listenLocally = (port: number): ListenConfig => ({
  hostname: LOOPBACK,
  port,
  localPort: 0,
  tls: null,
  proxies: null,
  publicUrl: null,
  hostnames: [],
  pageOrigins: [],
  caFile: null,
})

export const isLoopback = (host: string): boolean => /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i.test(host)
export const isWildcard = (host: string): boolean => /^(0\.0\.0\.0|\[?::\]?)$/.test(host)

/** `http://[::1]:80` of its parts. */
export function urlOf(scheme: 'http' | 'https', host: string, port: number): string {
  const name = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
  return `${scheme}://${name}:${port}`
}

/** The names that a network goes by: others that point here are somebody else's. */
export interface NetworkNames {
  /** Without a port, in lower case; `*.example` for one label; `*`: any, for the proxy in front knows. */
  readonly hostnames: readonly string[]
  /** Whose pages may change things. */
  readonly origins: readonly string[]
  goesBy(host: string): boolean
}

export function namesOf(
  { hostname, hostnames: further, tls, proxies, publicUrl }: ListenConfig,
  certificate: Pick<CertificateFacts, 'names'> | null,
): NetworkNames {
  const own = isWildcard(hostname) ? ownAddresses() : [hostname]
  const certified = tls && publicUrl === null ? (certificate?.names ?? []) : []
  const published = publicUrl === null ? [] : [new URL(publicUrl).hostname]
  const isAnybodys = proxies !== null && publicUrl === null
  const hostnames = [...own, ...certified, ...published, ...further, ...(isAnybodys ? ['*'] : [])].map(asHost)
  return {
    hostnames,
    origins: publicUrl === null ? [] : [publicUrl],
    goesBy: (host) => isLoopback(host) || goesBy(asHost(host), hostnames),
  }
}

/** As it stands in a URL: in lower case, and an IPv6 address in brackets. */
const asHost = (name: string): string =>
  name.includes(':') && !name.startsWith('[') ? `[${name}]` : name.toLowerCase()

const ownAddresses = (): string[] =>
  Object.values(networkInterfaces()).flatMap((found = []) => found.map(({ address }) => address))

/** The options of `up`, `coordinator` and `gateway` that say where they listen and how they are reached. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { TlsFiles } from '#host/host.ts'
import { checkDates, checkName, readCertificate } from '#host/node/certificate.ts'
import { proxiedAddresses } from '#host/node/client-address.ts'
import type { TimestampMs } from '#kernel/time.ts'
import { Problem } from '#protocol/problem.ts'
import { isLoopback, type ListenConfig, LOOPBACK, listenLocally } from './listen-config.ts'

export interface ListenFlags {
  readonly listen: string
  readonly port: number
  readonly publicUrl?: string
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly behindProxy?: true
  readonly trustedProxy?: readonly string[]
  readonly alsoHost?: readonly string[]
  readonly allowOrigin?: readonly string[]
  readonly ca?: string
}

export const withListenFlags = (command: Command): Command =>
  command
    .option(
      '--listen <address>',
      'where to listen: an address or name of this machine, with a port or --port; beyond 127.0.0.1 it needs TLS or --behind-proxy',
      LOOPBACK,
    )
    .option('--public-url <url>', 'how agents and clients elsewhere reach it: https://…')
    .option('--tls-cert <file>', 'speak TLS with this certificate and its chain, in PEM form')
    .option('--tls-key <file>', 'the private key of that certificate, in PEM form')
    .option('--behind-proxy', 'a proxy in front ends TLS; only it, and this machine, may come')
    .option('--trusted-proxy <address...>', 'addresses or ranges of proxies on other machines')
    .option('--also-host <name...>', 'further host names by which it is called; *.net.example for one label')
    .option(
      '--allow-origin <origin...>',
      'pages elsewhere that may call /v1 from a browser: https://app.example, or * for all',
    )

/** Throws `Problem('config_invalid')` for what cannot work or would let others read along. */
export function listenOf(flags: ListenFlags, nowMs: TimestampMs): ListenConfig {
  const { hostname, port } = addressOf(flags)
  const tls = tlsOf(flags)
  const proxies = proxiesOf(flags)
  const publicUrl = flags.publicUrl === undefined ? null : publicUrlOf(flags.publicUrl)
  if (!isLoopback(hostname) && tls === null && proxies === null) {
    throw unfit(
      `--listen ${flags.listen} reaches beyond this machine, and without TLS everybody on the way could read keys and prompts. Give --tls-cert FILE and --tls-key FILE, or --behind-proxy if a proxy in front ends TLS.`,
    )
  }
  if (tls) {
    checkDates(readCertificate(tls).facts, nowMs)
    if (publicUrl !== null && proxies === null) checkName(tls, new URL(publicUrl).hostname)
  }
  if (publicUrl?.startsWith('https:') && tls === null && proxies === null) {
    throw unfit(
      `--public-url ${flags.publicUrl} is https, and nothing here ends TLS. Give --tls-cert FILE and --tls-key FILE, or --behind-proxy if a proxy in front does.`,
    )
  }
  const caFile = flags.ca === undefined ? null : resolve(flags.ca)
  const hostnames = (flags.alsoHost ?? []).map(hostNameOf)
  const pageOrigins = (flags.allowOrigin ?? []).map(originOf)
  return { ...listenLocally(port), hostname, tls, proxies, publicUrl, hostnames, pageOrigins, caFile }
}

/** `HOST`, `HOST:PORT`, `[::1]:PORT` or a bare IPv6 address. */
function addressOf({ listen, port }: ListenFlags): { hostname: string; port: number } {
  const parts =
    /^\[(?<host>[0-9a-f:.]+)\](?::(?<port>\d{1,5}))?$/i.exec(listen) ??
    /^(?<host>[0-9a-f]*:[0-9a-f:.]*:[0-9a-f.]*)$/i.exec(listen) ??
    /^(?<host>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::(?<port>\d{1,5}))?$/i.exec(listen)
  const { host, port: given } = parts?.groups ?? {}
  const found = given === undefined ? port : Number(given)
  if (host === undefined || found > 65_535) {
    throw unfit(
      `--listen ${JSON.stringify(listen)} is no address to listen on, such as 0.0.0.0, 10.0.0.5:7420 or [::]:7420.`,
    )
  }
  return { hostname: host, port: found }
}

function tlsOf({ tlsCert, tlsKey }: ListenFlags): TlsFiles | null {
  if (tlsCert === undefined && tlsKey === undefined) return null
  if (tlsCert === undefined)
    throw unfit('--tls-key needs the certificate that it belongs to: --tls-cert FILE.')
  if (tlsKey === undefined) throw unfit('--tls-cert needs its private key: --tls-key FILE.')
  return { certFile: resolve(tlsCert), keyFile: resolve(tlsKey) }
}

function proxiesOf({ behindProxy, trustedProxy }: ListenFlags): string[] | null {
  if (!behindProxy) {
    if (trustedProxy)
      throw unfit('--trusted-proxy says which proxies are yours, and goes with --behind-proxy.')
    return null
  }
  const proxies = [...(trustedProxy ?? [])]
  proxiedAddresses(proxies)
  return proxies
}

function publicUrlOf(text: string): string {
  const url = URL.parse(text)
  if (
    !url ||
    !/^https?:$/.test(url.protocol) ||
    url.pathname !== '/' ||
    url.search !== '' ||
    url.hash !== ''
  ) {
    throw unfit(`--public-url ${JSON.stringify(text)} is not an address such as https://net.example.`)
  }
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    throw unfit(
      `--public-url ${text} is plain http, by which no agent comes from another machine. Give the https address.`,
    )
  }
  return url.origin
}

function hostNameOf(name: string): string {
  if (/^(\*\.)?[a-z0-9]([a-z0-9._-]*[a-z0-9])?$/i.test(name) || /^\[[0-9a-f:.]+\]$/i.test(name))
    return name.toLowerCase()
  throw unfit(`--also-host ${JSON.stringify(name)} is no host name without a port, such as net.example.`)
}

/** As browsers write it: what is no web page, such as an extension, has an origin too. */
function originOf(text: string): string {
  const [, scheme, host] = /^([a-z][a-z0-9+.-]*):\/\/([^/?#\s]+)$/i.exec(text) ?? []
  if (text === '*' || text === 'null') return text
  if (scheme === undefined || host === undefined) {
    throw unfit(
      `--allow-origin ${JSON.stringify(text)} is no origin, such as https://app.example: scheme, host and port, without a path.`,
    )
  }
  return /^https?$/i.test(scheme) ? new URL(text).origin : text
}

const unfit = (message: string): Problem => new Problem('config_invalid', message)

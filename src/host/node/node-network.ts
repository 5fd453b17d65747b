import type { Network } from '#host/host.ts'
import { fetchNetwork } from './fetch-client.ts'
import { defaultHttpLimits, type HttpLimits, serveHttp } from './http-server.ts'
import { connectLink } from './ws-client.ts'
import { defaultLinkLimits, type LinkLimits, type LinkPorts } from './ws-link.ts'

export interface NetworkLimits {
  readonly http?: Partial<HttpLimits>
  readonly link?: Partial<LinkLimits>
}

/** The machine's network: HTTP/1.1 and WebSockets, in both directions. */
export function createNodeNetwork(ports: LinkPorts, limits: NetworkLimits = {}): Network {
  const http = { ...defaultHttpLimits, ...limits.http }
  const link = { ...defaultLinkLimits, ...limits.link }
  return {
    fetch: fetchNetwork,
    connect: (url, handlers) => connectLink(ports, url, handlers, link),
    listen: (address, handlers) => serveHttp(ports, address, handlers, { http, link }),
  }
}

/** How a process of the network is reached and how it shows who it is, from its configuration. */
import type { Gateway } from '#gateway/gateway.ts'
import type { NetworkIdentity } from '#gateway/network-prover.ts'
import type { Host, KeyPair } from '#host/host.ts'
import { isExpiring } from '#host/node/certificate.ts'
import type { ShownCertificate } from '#protocol/network-status.ts'
import { type Front, type FrontTelemetry, openFront } from './front.ts'
import { type ListenConfig, type NetworkNames, namesOf } from './listen-config.ts'

export interface Reach {
  /** Listens; once. Where only gateways of this machine call, they are believed for whom they call. */
  open(gateway: Gateway | null, options?: { readonly believesForwarders?: boolean }): Promise<Front>
  /** By which others may come, as of now. */
  names(): NetworkNames
  identity(keys: KeyPair): NetworkIdentity
  certificate(): ShownCertificate | null
}

export function createReach(
  host: Host,
  listen: ListenConfig,
  telemetry: FrontTelemetry | null = null,
): Reach {
  let front: Front | null = null
  const shown = () => front?.certificates() ?? []
  const names = (): NetworkNames => namesOf(listen, shown()[0] ?? null)
  return {
    async open(gateway, { believesForwarders = false } = {}) {
      const proxies = listen.proxies ?? (believesForwarders ? [] : null)
      front = await openFront(host, listen, { gateway, proxies, telemetry })
      return front
    },
    names,
    identity: (keys) => ({
      keys,
      goesBy: (name) => names().goesBy(name),
      // Behind a proxy agents see the proxy's key, which nobody here knows.
      tlsKeys: () => (listen.proxies === null ? shown().map(({ tlsKey }) => tlsKey) : []),
    }),
    certificate() {
      const [newest] = shown()
      if (!newest) return null
      const { expiresAtMs, names: certified } = newest
      return { names: [...certified], expiresAtMs, isExpiring: isExpiring(newest, host.clock.nowMs()) }
    },
  }
}

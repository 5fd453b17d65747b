/** Where the workers of one gateway's machine reach each other, and what each knows of the others. */
import { createForwarder } from '#gateway/forward.ts'
import type { Gateway } from '#gateway/gateway.ts'
import { joinPeers } from '#gateway/peers.ts'
import type { PeerCalls } from '#gateway/worker-calls.ts'
import type { Host, ServerHandlers } from '#host/host.ts'
import { undiciUpstreams } from '#host/node/undici-upstream.ts'
import type { CellConfig } from './cell-config.ts'
import { LOOPBACK, urlOf } from './listen-config.ts'

export interface WorkerDoor {
  readonly calls: PeerCalls
  close(graceMs: number): Promise<void>
}

/** `handlers` answer what other workers send, as they answer what clients send. */
export async function openWorkerDoor(
  host: Host,
  { group }: NonNullable<CellConfig['worker']>,
  { gateway, handlers }: { readonly gateway: Gateway; readonly handlers: ServerHandlers },
): Promise<WorkerDoor> {
  // They are believed for whom they send it: nobody else comes from this machine to a port that only they are told.
  const listener = await host.network.listen({ hostname: LOOPBACK, port: 0, proxies: [] }, handlers)
  const peers = joinPeers(host, {
    gatewayId: gateway.gatewayId,
    group,
    url: urlOf('http', LOOPBACK, listener.port),
    loadOf: gateway.roomOf,
    *loads() {
      for (const live of gateway.models().values()) {
        const { busy = 0, waiting = 0 } = gateway.roomOf(live.id) ?? {}
        yield { live, busy, waiting }
      }
    },
  })
  const forwarder = createForwarder(undiciUpstreams, group)
  return {
    calls: { peers, forwarder },
    async close(graceMs) {
      peers.close()
      await listener.close(graceMs)
      await forwarder.close()
    },
  }
}

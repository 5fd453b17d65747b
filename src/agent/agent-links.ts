/** All that is said on an agent's connection: requests, and beside them tasks, models, proofs, receipts and health. */
import type { Engine } from '#engines/engine.ts'
import type { Clock, Crypto, Log } from '#host/host.ts'
import type { AgentOptions } from './agent.ts'
import { type AgentStreams, createAgentStreams } from './agent-streams.ts'
import { createProofLink } from './hardware/proof-link.ts'
import { createHealthLink } from './health/health-link.ts'
import { createHostingLink, type HostingLink } from './hosting/hosting-link.ts'
import { createReceiptLink, type ReceiptConnection } from './receipts/receipt-link.ts'
import { createWorkLink } from './work/work-link.ts'

export interface AgentLinks {
  /** Of the models that the network placed here. */
  capability: HostingLink['capability']
  /** The streams of a connection that serves from now on. */
  open(connection: ReceiptConnection): AgentStreams
}

interface Parts {
  readonly clock: Clock
  readonly crypto: Crypto
  readonly log: Log
}

export function createAgentLinks(parts: Parts, engine: Engine, options: AgentOptions): AgentLinks {
  const { nodeId, keys, receipts: book } = options
  const receipts = createReceiptLink(parts, { nodeId, keys, book })
  const hosting = createHostingLink(options.hosting)
  const work = createWorkLink(options.worker, receipts.made)
  const proofs = createProofLink(options.prover)
  const health = createHealthLink(options.health, options)
  return {
    capability: hosting.capability,
    open(connection) {
      const { link, protocol } = connection
      const requests = createAgentStreams(engine, link, receipts.watch(connection))
      const tasks = work.open(hosting.open(requests, link, protocol), link, protocol)
      return health.open(proofs.open(receipts.open(tasks, connection), link, protocol), link, protocol)
    },
  }
}

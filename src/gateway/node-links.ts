/** All agents of this gateway: admits them, watches their heartbeats, reports who is here. */
import type { Bus, Clock, Crypto, Link, LinkHandlers, Log, Secrets } from '#host/host.ts'
import {
  type Admit,
  type Challenge,
  HEARTBEAT_MS,
  type Hello,
  LOST_AFTER_MISSES,
  type NodeReport,
  SUSPECT_AFTER_MISSES,
} from '#protocol/agent-link.ts'
import type { VersionRange } from '#protocol/agent-version.ts'
import { type NodePresence, ReportNode, subjects } from '#protocol/cell.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import { encodeJsonFrame, FrameType } from '#protocol/frame.ts'
import { jsonWriter } from '#protocol/wire-form.ts'
import type { Directory } from './directory.ts'
import { createDoor } from './door.ts'
import type { ProofRelay } from './hardware/proof-relay.ts'
import type { HealthRelay } from './health-relay.ts'
import { createHelloFlood } from './hello-flood.ts'
import type { HostingDesk } from './hosting-desk.ts'
import { createNetworkProver, type NetworkIdentity } from './network-prover.ts'
import { createNodeConnection, type NodeConnection } from './node-connection.ts'
import { createNodeStandings } from './node-standings.ts'
import { createPresenceReporter } from './presence-reporter.ts'
import type { ReceiptDesk } from './receipts/receipt-desk.ts'
import { sendRequest } from './receipts/send-request.ts'
import type { HelloJudge } from './refuse-hello.ts'
import type { WorkPipe } from './work-pipe.ts'

export interface NodeLinks {
  /** Handlers for a new agent link; the challenge is on its way. */
  accept(link: Link): LinkHandlers
  /** Grows whenever somebody came, went or offers something else. */
  version(): number
  /** All connections. */
  all(): Iterable<NodeConnection>
  /** Connections that may get new work, in a stable order. */
  ready(): Iterable<NodeConnection>
  count(): { online: number; suspect: number }
  /** The coordinator asks for, or lost, all presence: report every node again. */
  reportAll(): void
  /** Looks again at who may be here, after the directory changed. */
  recheck(): void
  close(): void
}

export interface NodeLinksOptions {
  readonly gatewayId: string
  /** Grows with every start of this gateway. */
  readonly incarnation: number
  /** Between two heartbeats of an agent; the protocol's own unless told otherwise. */
  readonly heartbeatMs?: number
  /** Proves to agents whose gateway this is; without it no proof is given. */
  readonly network?: NetworkIdentity
  /** Versions of the agent protocol; this release's own unless told otherwise. */
  readonly versions?: VersionRange
  /** Knows which models nodes are to serve; without it none is told. */
  readonly hosting?: HostingDesk
  /** Takes what nodes say of tasks; without it nobody hears them. */
  readonly work?: WorkPipe
  /** Takes what nodes say of their devices; without it nobody hears them. */
  readonly health?: HealthRelay
  /** Takes what nodes say of their hardware; without it nobody hears them. */
  readonly proofs?: ProofRelay
  /** Has nodes sign what they delivered; without it there are no receipts. */
  readonly receipts?: ReceiptDesk
  /** Some node may take work that it could not before. */
  readonly onAvailable: () => void
  /** An agent named a node that the directory does not know yet. */
  readonly onUnknownNode: () => void
}

/** How a link ends that its other side closed because all was done. */
const CLOSED_IN_ORDER = 1000
const writeReport = jsonWriter(ReportNode)

type Parts = { bus: Bus; clock: Clock; crypto: Crypto; log: Log; secrets: Secrets; directory: Directory }

export function createNodeLinks(parts: Parts, options: NodeLinksOptions): NodeLinks {
  const { bus, clock, crypto, log, directory } = parts
  const { gatewayId, heartbeatMs = HEARTBEAT_MS, receipts } = options
  const prover = createNetworkProver(parts, options.network ?? null, options.versions)
  const connections = new Map<string, NodeConnection>()
  const flood = createHelloFlood(parts)
  const standings = createNodeStandings(directory)
  const judge: HelloJudge = {
    crypto,
    directory,
    prover,
    sessionHere: (nodeId) => connections.get(nodeId)?.session ?? 0,
    onUnknownNode: () => {
      if (flood.mayAsk()) options.onUnknownNode()
    },
  }
  let version = 0
  let isClosed = false

  const reporter = createPresenceReporter(parts, {
    gatewayId,
    incarnation: options.incarnation,
    onRefused(refused) {
      const stale = refused.flatMap(({ nodeId, session, sessionMin }) => {
        const connection = connections.get(nodeId)
        if (connection?.session !== session) return []
        // Another connection of this node is newer, or the node may not be here at all.
        log.warn('node.refused', { nodeId, session, sessionMin })
        return [connection]
      })
      dropAll(stale, 'replaced by a newer connection')
    },
  })

  function remove(connection: NodeConnection, reason: 'left' | 'link_closed' | 'silent'): void {
    if (connections.get(connection.nodeId) !== connection) return
    connections.delete(connection.nodeId)
    options.work?.lost(connection)
    options.receipts?.lost(connection)
    options.proofs?.lost(connection)
    options.health?.lost(connection)
    version++
    const { nodeId, session } = connection
    log.info('node.gone', { nodeId, session, reason })
    reporter.tell({ nodeId, session, status: reason === 'left' ? 'gone' : 'suspect', reason })
  }

  /** Removed before it is closed: work that its end sets free must not find it among the candidates. */
  function drop(connection: NodeConnection, reason: string, code = 1008): void {
    remove(connection, 'link_closed')
    connection.close(code, reason)
  }

  /** All are removed before any is closed: work must not go from one of them to the next. */
  function dropAll(those: readonly NodeConnection[], reason: string): void {
    for (const connection of those) remove(connection, 'link_closed')
    for (const connection of those) connection.close(1008, reason)
  }

  function sweep(): void {
    if (isClosed) return
    const nowMs = clock.elapsedMs()
    for (const connection of connections.values()) {
      const misses = (nowMs - connection.lastHeardMs) / heartbeatMs
      if (misses > LOST_AFTER_MISSES) {
        remove(connection, 'silent')
        connection.close(1001, 'no heartbeat')
      } else if (misses > SUSPECT_AFTER_MISSES !== (connection.status === 'suspect')) {
        connection.status = misses > SUSPECT_AFTER_MISSES ? 'suspect' : 'online'
        log.info('node.presence', { nodeId: connection.nodeId, status: connection.status })
        reporter.tell(presenceOf(connection))
        if (connection.status === 'online') options.onAvailable()
      }
    }
    clock.after(heartbeatMs / 2, sweep)
  }

  function admit(link: Link, hello: Hello, challenge: Challenge): NodeConnection {
    const { nodeId, session } = hello
    const previous = connections.get(nodeId)
    if (previous) drop(previous, 'replaced by a newer connection')
    const connection: NodeConnection = createNodeConnection({
      clock,
      log,
      link,
      nodeId,
      session,
      protocol: hello.protocol,
      quote: (model, asked) => (options.hosting ? options.hosting.quote(nodeId, model, asked) : asked),
      onReport: (report) => forward(nodeId, report),
      onAvailable: options.onAvailable,
      onWork: (payload) => options.work?.hear(connection, payload),
      ...(receipts && {
        onReceipts: (payload: Uint8Array) => receipts.hear(connection, payload),
        evidence: (stream: number, request: EngineRequest) =>
          sendRequest(receipts, connection, { stream, request }),
      }),
      onProve: (payload) => options.proofs?.hear(connection, payload),
      onHealth: (payload) => options.health?.hear(connection, payload),
      onMalformed: () => drop(connection, 'malformed frame', 1002),
    })
    connections.set(nodeId, connection)
    version++
    log.info('node.admitted', { nodeId, session, agentVersion: hello.agentVersion })
    reporter.tell(presenceOf(connection))
    const proof = prover.prove({ hello, challenge, verdict: 'admit' })
    const standing = hello.wantsStanding && { standing: standings.admitted(connection) }
    link.send(encodeJsonFrame(FrameType.admit, 0, { gatewayId, proof, ...standing } satisfies Admit))
    options.hosting?.tell(connection)
    return connection
  }

  function forward(nodeId: string, report: NodeReport): void {
    version++
    bus.publish(subjects.report, writeReport({ nodeId, ...report }))
  }

  const accept = createDoor(parts, {
    ...{ gatewayId, prover, judge, flood, admit },
    gone(connection, { code, reason }) {
      // A parked node drains too: only one that also says goodbye has left.
      const hasLeft = connection.isDraining && code === CLOSED_IN_ORDER
      remove(connection, hasLeft ? 'left' : 'link_closed')
      connection.lost(reason || 'connection closed')
    },
  })

  clock.after(heartbeatMs / 2, sweep)
  return {
    accept,
    version: () => version,
    all: () => connections.values(),
    *ready() {
      for (const connection of connections.values()) {
        if (connection.status !== 'online' || connection.isDraining || connection.isSick) continue
        const node = directory.node(connection.nodeId)
        if (node && !node.isDrained && !node.isBanned && !node.barred) yield connection
      }
    },
    count() {
      let suspect = 0
      for (const connection of connections.values()) if (connection.status === 'suspect') suspect++
      return { online: connections.size - suspect, suspect }
    },
    reportAll() {
      reporter.tellAll([...connections.values()].map(presenceOf))
      options.proofs?.tellAll()
    },
    recheck() {
      const [banned, stale]: [NodeConnection[], NodeConnection[]] = [[], []]
      for (const connection of connections.values()) {
        const node = directory.node(connection.nodeId)
        if (node?.isBanned) banned.push(connection)
        // A refusal may never have come: it was accepted, and only then a newer one was heard of elsewhere.
        else if (node && node.session > connection.session) stale.push(connection)
      }
      dropAll(banned, 'the node is banned')
      dropAll(stale, 'replaced by a newer connection')
      for (const connection of connections.values()) {
        connection.reoffer()
        options.hosting?.tell(connection)
      }
      version++
      options.onAvailable()
      for (const connection of connections.values()) standings.tell(connection)
    },
    close() {
      isClosed = true
      reporter.close()
      for (const connection of connections.values()) connection.close(1001, 'the gateway stops')
    },
  }
}

const presenceOf = ({ nodeId, session, status }: NodeConnection): NodePresence => ({
  nodeId,
  session,
  status,
  reason: status === 'suspect' ? 'silent' : null,
})

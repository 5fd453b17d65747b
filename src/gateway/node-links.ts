/** All agents of this gateway: admits them, watches their heartbeats, reports who is here. */
import type { Bus, Clock, Crypto, Link, LinkHandlers, Log, Secrets } from '#host/host.ts'
import {
  AGENT_PROTOCOL_VERSION,
  type Challenge,
  type Deny,
  HEARTBEAT_MS,
  Hello,
  helloText,
  LOST_AFTER_MISSES,
  type NodeReport,
  SUSPECT_AFTER_MISSES,
} from '#protocol/agent-link.ts'
import { type NodePresence, ReportNode, subjects } from '#protocol/cell.ts'
import { decodeFrames, decodeJson, encodeJsonFrame, FrameType } from '#protocol/frame.ts'
import { jsonWriter } from '#protocol/wire-form.ts'
import type { Directory } from './directory.ts'
import { createNodeConnection, type NodeConnection } from './node-connection.ts'
import { createPresenceReporter } from './presence-reporter.ts'

export interface NodeLinks {
  /** Handlers for a new agent link; the challenge is on its way. */
  accept(link: Link): LinkHandlers
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
  /** Some node may take work that it could not before. */
  readonly onAvailable: () => void
  /** An agent named a node that the directory does not know yet. */
  readonly onUnknownNode: () => void
}

/** An agent that connected must prove itself within this time. */
const HELLO_WITHIN_MS = 5_000
const SWEEP_MS = HEARTBEAT_MS / 2
/** How a link ends that its other side closed because all was done. */
const CLOSED_IN_ORDER = 1000
const encoder = new TextEncoder()
const writeReport = jsonWriter(ReportNode)

type Parts = { bus: Bus; clock: Clock; crypto: Crypto; log: Log; secrets: Secrets; directory: Directory }

export function createNodeLinks(parts: Parts, options: NodeLinksOptions): NodeLinks {
  const { bus, clock, crypto, log, secrets, directory } = parts
  const { gatewayId } = options
  const connections = new Map<string, NodeConnection>()
  let isClosed = false

  const reporter = createPresenceReporter(parts, {
    gatewayId,
    incarnation: options.incarnation,
    onRefused({ nodeId, session, sessionMin }) {
      const connection = connections.get(nodeId)
      if (connection?.session !== session) return
      // Another connection of this node is newer, or the node may not be here at all.
      log.warn('node.refused', { nodeId, session, sessionMin })
      drop(connection, 'replaced by a newer connection')
    },
  })

  function remove(connection: NodeConnection, reason: 'left' | 'link_closed' | 'silent'): void {
    if (connections.get(connection.nodeId) !== connection) return
    connections.delete(connection.nodeId)
    const { nodeId, session } = connection
    log.info('node.gone', { nodeId, session, reason })
    reporter.tell({ nodeId, session, status: reason === 'left' ? 'gone' : 'suspect', reason })
  }

  /** Removed before it is closed: work that its end sets free must not find it among the candidates. */
  function drop(connection: NodeConnection, reason: string, code = 1008): void {
    remove(connection, 'link_closed')
    connection.close(code, reason)
  }

  function sweep(): void {
    if (isClosed) return
    const nowMs = clock.elapsedMs()
    for (const connection of connections.values()) {
      const misses = (nowMs - connection.lastHeardMs) / HEARTBEAT_MS
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
    clock.after(SWEEP_MS, sweep)
  }

  function admit(link: Link, hello: Hello): NodeConnection {
    const { nodeId, session } = hello
    const previous = connections.get(nodeId)
    if (previous) drop(previous, 'replaced by a newer connection')
    const connection = createNodeConnection({
      clock,
      log,
      link,
      nodeId,
      session,
      onReport: (report) => forward(nodeId, report),
      onAvailable: options.onAvailable,
      onMalformed: () => drop(connection, 'malformed frame', 1002),
    })
    connections.set(nodeId, connection)
    log.info('node.admitted', { nodeId, session, agentVersion: hello.agentVersion })
    reporter.tell(presenceOf(connection))
    link.send(encodeJsonFrame(FrameType.admit, 0, { gatewayId }))
    return connection
  }

  function forward(nodeId: string, report: NodeReport): void {
    bus.publish(subjects.report, writeReport({ nodeId, ...report }))
  }

  /** Null when the hello is good, else why not. */
  function refuse(hello: Hello, challenge: Challenge): Deny | null {
    if (hello.protocol !== AGENT_PROTOCOL_VERSION) {
      const message = `This network speaks agent protocol ${AGENT_PROTOCOL_VERSION}, the agent ${hello.protocol}. Update the older of the two.`
      return { code: 'protocol_unknown', message }
    }
    const node = directory.node(hello.nodeId)
    if (!node) {
      options.onUnknownNode()
      return {
        code: 'node_unknown',
        message: 'This network does not know the node. Enrol it with a new token.',
      }
    }
    if (node.isBanned) return { code: 'node_banned', message: 'The node is banned. Ask the operator why.' }
    const text = encoder.encode(helloText({ ...challenge, nodeId: hello.nodeId, session: hello.session }))
    const signature = hexToBytes(hello.signature)
    if (!signature || !crypto.verify(node.publicKey, text, signature)) {
      return {
        code: 'signature_wrong',
        message: 'The signature does not match the key that the node enrolled.',
      }
    }
    const newest = Math.max(node.session, connections.get(hello.nodeId)?.session ?? 0)
    if (hello.session > newest) return null
    return {
      code: 'session_stale',
      message: 'A newer connection of this node is known.',
      sessionMin: newest + 1,
    }
  }

  function accept(link: Link): LinkHandlers {
    const challenge = { nonce: bytesToHex(secrets.randomBytes(16)), gatewayId }
    let connection: NodeConnection | null = null
    let isOver = false
    const deadline = clock.after(HELLO_WITHIN_MS, () => {
      if (connection) return
      isOver = true
      link.close(1008, 'no hello')
    })

    function receiveHello(message: Uint8Array): void {
      const deny = (reason: Deny): void => {
        isOver = true
        log.warn('node.denied', { code: reason.code })
        link.send(encodeJsonFrame(FrameType.deny, 0, reason))
        link.close(1008, reason.code)
      }
      const frame = safely(() => decodeFrames(message)[0])
      const parsed =
        frame?.type === FrameType.hello ? safely(() => Hello.parse(decodeJson(frame.payload))) : null
      if (!parsed) {
        isOver = true
        return link.close(1002, 'hello expected')
      }
      const reason = refuse(parsed, challenge)
      if (reason) return deny(reason)
      connection = admit(link, parsed)
    }

    link.send(encodeJsonFrame(FrameType.challenge, 0, challenge))
    return {
      onMessage(message) {
        if (connection) connection.receive(message)
        else if (!isOver) receiveHello(message)
      },
      onClose(code, reason) {
        deadline.cancel()
        if (!connection) return
        // A parked node drains too: only one that also says goodbye has left.
        const hasLeft = connection.isDraining && code === CLOSED_IN_ORDER
        remove(connection, hasLeft ? 'left' : 'link_closed')
        connection.lost(reason || 'connection closed')
      },
    }
  }

  clock.after(SWEEP_MS, sweep)
  return {
    accept,
    *ready() {
      for (const connection of connections.values()) {
        if (connection.status !== 'online' || connection.isDraining) continue
        const node = directory.node(connection.nodeId)
        if (node && !node.isDrained && !node.isBanned) yield connection
      }
    },
    count() {
      let suspect = 0
      for (const connection of connections.values()) if (connection.status === 'suspect') suspect++
      return { online: connections.size - suspect, suspect }
    },
    reportAll: () => reporter.tellAll([...connections.values()].map(presenceOf)),
    recheck() {
      for (const connection of connections.values()) {
        if (directory.node(connection.nodeId)?.isBanned) drop(connection, 'the node is banned')
      }
      options.onAvailable()
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

function safely<T>(run: () => T): T | null {
  try {
    return run()
  } catch {
    return null // Hostile input; the caller closes the link.
  }
}

const bytesToHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

function hexToBytes(text: string): Uint8Array | null {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text)) return null
  return Buffer.from(text, 'hex')
}

import type { Bus, Clock, Log, Secrets } from '#host/host.ts'
import { formatId, ID_BYTES } from '#kernel/id.ts'
import { type NodePresence, PresenceReply, PresenceReport, subjects } from '#protocol/cell.ts'
import { callCell, cellCall } from './cell-calls.ts'

const RETRY_MS = 500
const presenceCall = cellCall(subjects.presence, PresenceReport, PresenceReply)

export interface PresenceReporter {
  /** Notes news of a node, to be told once; newer news of it replaces what was not yet told. */
  tell(presence: NodePresence): void
  /** Tells all over again, with the nodes that are here now. */
  tellAll(nodes: readonly NodePresence[]): void
  close(): void
}

/** Tells the coordinator who is here: one report at a time, repeated until answered, so that news keeps its order. */
export function createPresenceReporter(
  host: { bus: Bus; clock: Clock; log: Log; secrets: Pick<Secrets, 'randomBytes'> },
  options: {
    gatewayId: string
    /** Grows with every start, but for a disk that was replaced or put back: then the coordinator says what it must be. */
    incarnation: number
    onRefused: (refused: PresenceReply['refused']) => void
  },
): PresenceReporter {
  const { clock } = host
  const start = formatId('start', host.secrets.randomBytes(ID_BYTES))
  let news = new Map<string, NodePresence>()
  let isComplete = false
  let { incarnation } = options
  let sequence = 0
  let isTelling = false
  let isClosed = false

  function tellNext(): void {
    if (isTelling || isClosed || (news.size === 0 && !isComplete)) return
    isTelling = true
    sequence++
    const nodes = [...news.values()]
    const { gatewayId } = options
    const report: PresenceReport = { gatewayId, incarnation, start, sequence, isComplete, nodes }
    news = new Map()
    isComplete = false
    send(report)
  }

  function send(report: PresenceReport): void {
    callCell(host, presenceCall, report, (reply) => {
      if (isClosed) return
      if (!reply) return void clock.after(RETRY_MS, () => send(report))
      if (reply.incarnationMin !== undefined && reply.incarnationMin > incarnation) {
        incarnation = reply.incarnationMin
        sequence = 1
        return send({ ...report, incarnation, sequence })
      }
      isTelling = false
      if (reply.refused.length > 0) options.onRefused(reply.refused)
      tellNext()
    })
  }

  return {
    tell(presence) {
      news.set(`${presence.nodeId}/${presence.session}`, presence)
      tellNext()
    },
    tellAll(nodes) {
      // What waits is kept beside it: goodbyes are not among the nodes that are here.
      for (const presence of nodes) news.set(`${presence.nodeId}/${presence.session}`, presence)
      isComplete = true
      tellNext()
    },
    close() {
      isClosed = true
    },
  }
}

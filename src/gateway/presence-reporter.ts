import type { Bus, Clock, Log } from '#host/host.ts'
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
  host: { bus: Bus; clock: Clock; log: Log },
  options: {
    gatewayId: string
    incarnation: number
    onRefused: (refused: PresenceReply['refused'][number]) => void
  },
): PresenceReporter {
  const { clock } = host
  let news = new Map<string, NodePresence>()
  let isComplete = false
  let sequence = 0
  let isTelling = false
  let isClosed = false

  function start(): void {
    if (isTelling || isClosed || (news.size === 0 && !isComplete)) return
    isTelling = true
    sequence++
    const nodes = [...news.values()]
    const { gatewayId, incarnation } = options
    const report: PresenceReport = { gatewayId, incarnation, sequence, isComplete, nodes }
    news = new Map()
    isComplete = false
    send(report)
  }

  function send(report: PresenceReport): void {
    callCell(host, presenceCall, report, (reply) => {
      if (isClosed) return
      if (!reply) return void clock.after(RETRY_MS, () => send(report))
      isTelling = false
      for (const refused of reply.refused) options.onRefused(refused)
      start()
    })
  }

  return {
    tell(presence) {
      news.set(`${presence.nodeId}/${presence.session}`, presence)
      start()
    },
    tellAll(nodes) {
      // What waits is kept beside it: goodbyes are not among the nodes that are here.
      for (const presence of nodes) news.set(`${presence.nodeId}/${presence.session}`, presence)
      isComplete = true
      start()
    },
    close() {
      isClosed = true
    },
  }
}

/** Jobs of a leading coordinator: hears nodes over the bus, tells them what is theirs to do, and looks at all that runs. */
import type { Bus, Clock, Log } from '#host/host.ts'
import { subjects } from '#protocol/cell.ts'
import { type TaskGrant, WorkNews, workOrdersTo } from '#protocol/work-link.ts'
import type { WorkLimits } from '#work/work-limits.ts'
import type { Coordinator } from '../coordinator.ts'
import { createNodeSays } from './node-says.ts'
import { orderMessages } from './order-messages.ts'
import type { NodeOrder } from './outbox.ts'
import { type Inspection, trustResults } from './trust-results.ts'
import { createWorkDesk, type WorkDesk } from './work-desk.ts'

export interface WorkService {
  readonly desk: WorkDesk
  /** Nobody's silence counts from now on; what nodes say is heard until `close`. */
  stopReviews(): void
  close(): void
}

export interface WorkServiceParts {
  readonly bus: Bus
  readonly clock: Clock
  readonly log: Log
  readonly coordinator: Coordinator
  readonly feeBps: number
  readonly workLimits?: WorkLimits
  /** Who looks at results; nobody unless given. */
  readonly inspect?: (coordinator: Coordinator, desk: WorkDesk) => Inspection
}

const REVIEW_MS = 250

export function serveWork(parts: WorkServiceParts): WorkService {
  const { bus, clock, log, coordinator, feeBps, inspect = trustResults } = parts
  const { state } = coordinator
  /** Gateways that put pages of a grant together: they say so with all that they say. */
  const paging = new Set<string>()
  const desk = createWorkDesk({
    openedAtMs: coordinator.nowMs(),
    feeBps,
    ...(parts.workLimits && { limits: parts.workLimits }),
    send: (orders) => {
      for (const [gatewayId, those] of byGateway(orders)) {
        const { messages, tooLong } = orderMessages(those, { takesPages: paging.has(gatewayId) })
        for (const message of messages) bus.publish(workOrdersTo(gatewayId), message)
        for (const { nodeId, grant } of tooLong) refuseGrant(gatewayId, nodeId, grant)
      }
    },
  })

  /** The node never hears of it: the task goes to one at a gateway of this release. */
  function refuseGrant(gatewayId: string, nodeId: string, { fence, files }: TaskGrant): void {
    const message = `Gateway ${gatewayId} is of an older release, which cannot pass on a task of ${files.length} files: update it.`
    const failure = { class: 'node', signature: 'gateway_older', message, tail: '' } as const
    log.warn('work.gateway_older', { gatewayId, nodeId, fence, files: files.length })
    coordinator.execute((turn) => {
      desk.carryOut(turn, { kind: 'fail', fence, nodeId, failure, nowMs: turn.nowMs })
      desk.serveWaiting(turn)
    })
  }

  /** Where each node is, by the fleet; who is nowhere hears of it when it is back and says what it has. */
  function byGateway(orders: readonly NodeOrder[]): Map<string, NodeOrder[]> {
    const sorted = new Map<string, NodeOrder[]>()
    for (const one of orders) {
      const gatewayId = state.fleet.nodes.get(one.nodeId)?.gatewayId
      if (gatewayId === null || gatewayId === undefined) continue
      const those = sorted.get(gatewayId)
      if (those) those.push(one)
      else sorted.set(gatewayId, [one])
    }
    return sorted
  }

  const says = createNodeSays(desk, state, coordinator.nowMs)
  const inspection = inspect(coordinator, desk)
  desk.onEvent((turn, event, attempt) => {
    if (event.type !== 'work.delivered' || !attempt) return
    const { jobId, step, task, fence } = attempt
    if (state.work.jobs.get(jobId)?.isVerified) inspection.delivered(turn, { jobId, step, task }, fence)
  })
  coordinator.onEvent(says.note)
  const heard = bus.subscribe(subjects.work, (message) => {
    const parsed = WorkNews.safeParse(parseJson(message))
    if (!parsed.success)
      return log.error('bus.message_malformed', { subject: subjects.work, message: parsed.error.message })
    const { gatewayId, takesPages } = parsed.data
    if (takesPages) paging.add(gatewayId)
    else paging.delete(gatewayId)
    coordinator.execute((turn) => says.hear(turn, parsed.data))
  })

  let isReviewing = true
  function review(): void {
    if (!isReviewing) return
    coordinator.execute((turn) => desk.review(turn))
    clock.after(REVIEW_MS, review)
  }
  clock.after(REVIEW_MS, review)
  inspection.opened()
  return {
    desk,
    stopReviews() {
      isReviewing = false
    },
    close() {
      isReviewing = false
      inspection.close?.()
      heard.close()
    },
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // The schema refuses it, with a message that says what was expected.
  }
}

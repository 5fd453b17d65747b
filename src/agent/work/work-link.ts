import type { Link } from '#host/host.ts'
import { PROTOCOL_WITH_TASKS } from '#protocol/agent-version.ts'
import { decodeJson, encodeFrame, FrameType } from '#protocol/frame.ts'
import { jsonWriter } from '#protocol/wire-form.ts'
import { WorkOrder, WorkSay } from '#protocol/work-link.ts'
import type { AgentStreams } from '../agent-streams.ts'
import type { Delivered } from '../receipts/delivered.ts'
import type { TaskWorker } from './task-worker.ts'

/** What one connection after the other says of the node's tasks. */
export interface WorkLink {
  /** The streams of a connection that serves from now on, together with the orders on it. `protocol` was agreed on for it. */
  open(streams: AgentStreams, link: Link, protocol: number): AgentStreams
}

const encoder = new TextEncoder()
const writeSay = jsonWriter(WorkSay)

/** `onMade` hears what the node says to have made. Without a worker, and at a gateway of before, the node hears nothing of tasks and says nothing. */
export function createWorkLink(
  worker: Pick<TaskWorker, 'connected' | 'disconnected' | 'receive' | 'onIdle'> | undefined,
  onMade: Delivered['made'] = () => undefined,
): WorkLink {
  let link: Link | null = null
  return {
    open(streams, opened, protocol) {
      if (!worker || protocol < PROTOCOL_WITH_TASKS) return streams
      link = opened
      worker.connected((say) => {
        if (say.kind === 'commit') onMade(say.fence, say.outputs)
        if (link === opened) opened.send(encodeFrame(FrameType.work, 0, encoder.encode(writeSay(say))))
      })
      return {
        ...streams,
        receive(frame) {
          if (frame.type !== FrameType.work) return streams.receive(frame)
          if (link === opened) worker.receive(WorkOrder.parse(decodeJson(frame.payload)))
        },
        onIdle: (run) => streams.onIdle(() => worker.onIdle(run)),
        close() {
          if (link === opened) {
            link = null
            worker.disconnected()
          }
          streams.close()
        },
      }
    },
  }
}

import { z } from 'zod'
import type { Link } from '#host/host.ts'
import { NodeStanding } from '#protocol/agent-link.ts'
import { PROTOCOL_WITH_EVIDENCE } from '#protocol/agent-version.ts'
import type { Bar } from '#protocol/cell.ts'
import { decodeJson, encodeJsonFrame, FrameType } from '#protocol/frame.ts'
import { MeasureAgain, type NodeHealth } from '#protocol/node-health.ts'
import { quickReader } from '#protocol/quick-reader.ts'
import type { AgentStreams } from '../agent-streams.ts'
import type { HealthWatch } from './health-watch.ts'

/** What one connection after the other says of the machine's devices. */
export interface HealthLink {
  /** The streams of a connection that serves from now on. `protocol` was agreed on for it. */
  open(streams: AgentStreams, link: Link, protocol: number): AgentStreams
}

interface HealthOrders {
  /** The network finds the node slower with this model than it says. */
  readonly onSlow?: (model: string) => void
  /** What keeps the node from work has changed. */
  readonly onStanding?: (barred: Bar | null) => void
}

const fromGateway = quickReader(z.union([MeasureAgain, NodeStanding]))

/** At a gateway of before nothing is said. */
export function createHealthLink(
  watch: Pick<HealthWatch, 'faults' | 'onChange'> | undefined,
  orders: HealthOrders = {},
): HealthLink {
  let link: Link | null = null
  const tell = (): void => {
    const health: NodeHealth = { faults: [...(watch?.faults() ?? [])] }
    link?.send(encodeJsonFrame(FrameType.health, 0, health))
  }
  watch?.onChange(tell)
  return {
    open(streams, opened, protocol) {
      if (protocol < PROTOCOL_WITH_EVIDENCE) return streams
      link = opened
      if (watch) tell()
      return {
        ...streams,
        receive(frame) {
          if (frame.type !== FrameType.health) return streams.receive(frame)
          const said = fromGateway.parse(decodeJson(frame.payload))
          if (link !== opened) return
          if ('measure' in said) orders.onSlow?.(said.measure)
          else orders.onStanding?.(said.barred)
        },
        close() {
          if (link === opened) link = null
          streams.close()
        },
      }
    },
  }
}

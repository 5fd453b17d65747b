import type { Link } from '#host/host.ts'
import { PROTOCOL_WITH_EVIDENCE } from '#protocol/agent-version.ts'
import { decodeJson, encodeJsonFrame, FrameType } from '#protocol/frame.ts'
import { MeasureAgain, type NodeHealth } from '#protocol/node-health.ts'
import type { AgentStreams } from '../agent-streams.ts'
import type { HealthWatch } from './health-watch.ts'

/** What one connection after the other says of the machine's devices. */
export interface HealthLink {
  /** The streams of a connection that serves from now on. `protocol` was agreed on for it. */
  open(streams: AgentStreams, link: Link, protocol: number): AgentStreams
}

/** At a gateway of before nothing is said. `measureAgain`: the network finds the node slower with this model than it says. */
export function createHealthLink(
  watch: Pick<HealthWatch, 'faults' | 'onChange'> | undefined,
  measureAgain: ((model: string) => void) | undefined,
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
          const { measure } = MeasureAgain.parse(decodeJson(frame.payload))
          if (link === opened) measureAgain?.(measure)
        },
        close() {
          if (link === opened) link = null
          streams.close()
        },
      }
    },
  }
}

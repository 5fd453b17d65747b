import type { Link } from '#host/host.ts'
import { PROTOCOL_WITH_HOSTING } from '#protocol/agent-version.ts'
import type { HostingCapability } from '#protocol/capability.ts'
import { decodeJson, encodeJsonFrame, FrameType } from '#protocol/frame.ts'
import { WantedModels } from '#protocol/model-catalogue.ts'
import type { AgentStreams } from '../agent-streams.ts'
import type { ModelHost } from './model-host.ts'

/** What one connection after the other says of the models that the network places on the node. */
export interface HostingLink {
  /**
   * The streams of a connection that serves from now on, together with the network's orders on it; `protocol` was agreed
   * on for it. Says how far the models are, now and whenever that is news.
   */
  open(streams: AgentStreams, link: Link, protocol: number): AgentStreams
  /** For the node's report; null where the gateway does not know of such models. */
  capability(): HostingCapability | null
}

export function createHostingLink(hosting: ModelHost | undefined): HostingLink {
  let link: Link | null = null
  let told = ''

  function tell(): void {
    if (!link || !hosting) return
    const models = hosting.hosted()
    const text = JSON.stringify(models)
    if (text === told || (told === '' && models.length === 0)) return
    told = text
    link.send(encodeJsonFrame(FrameType.hostedModels, 0, { models }))
  }
  hosting?.onChange(tell)

  return {
    open(streams, opened, protocol) {
      link = protocol >= PROTOCOL_WITH_HOSTING ? opened : null
      told = ''
      tell()
      return {
        ...streams,
        receive(frame) {
          if (frame.type !== FrameType.wantedModels) return streams.receive(frame)
          if (link === opened) hosting?.want(WantedModels.parse(decodeJson(frame.payload)))
        },
        close() {
          if (link === opened) link = null
          streams.close()
        },
      }
    },
    capability: () => (link && hosting ? hosting.capability() : null),
  }
}

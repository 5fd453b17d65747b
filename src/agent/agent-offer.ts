import type { Engine } from '#engines/engine.ts'
import type { NanoUsd } from '#kernel/money.ts'
import { NodeReport } from '#protocol/agent-link.ts'
import type { Capability, HostingCapability, ModelCapability } from '#protocol/capability.ts'
import { encodeFrame, FrameType } from '#protocol/frame.ts'
import { jsonWriter } from '#protocol/wire-form.ts'

export interface OfferOptions {
  readonly askPerGpuHour: NanoUsd
  /** The machine as measured; the models in it are replaced by those that the engine serves now. */
  readonly capability: Capability
  /** Measured speed of each model that the engine may serve. */
  readonly speedOf: (
    modelId: string,
  ) => Pick<
    ModelCapability,
    'prefillTokensPerSecond' | 'decodeTokensPerSecond' | 'decodeTokensPerSecondSingle'
  >
}

/** What the node offers: it outlives each connection, and is told to every gateway anew. */
export interface AgentOffer {
  /** False when that is the ask already. */
  setAsk(askPerGpuHour: NanoUsd): boolean
  /** `null` while it takes work. */
  parkedReason: string | null
  /** The capability frame; with `hosting` where the network may place models on the node. */
  report(hosting: HostingCapability | null): Uint8Array
}

/** What `Capability` takes. */
const PROBLEMS_MAX = 64
const PROBLEM_LENGTH_MAX = 200
const encoder = new TextEncoder()
const writeReport = jsonWriter(NodeReport)

export function createAgentOffer(engine: Engine, options: OfferOptions): AgentOffer {
  let { askPerGpuHour } = options

  const offer: AgentOffer = {
    parkedReason: null,
    setAsk(ask) {
      if (ask === askPerGpuHour) return false
      askPerGpuHour = ask
      return true
    },
    report(hosting) {
      const models = engine.models().map(({ features, ...model }) => ({
        ...model,
        ...(features && { features: [...features] }),
        tasks: [...model.tasks],
        ...options.speedOf(model.id),
      }))
      const { parkedReason } = offer
      const parked = parkedReason === null ? [] : [`Parked: ${parkedReason}`.slice(0, PROBLEM_LENGTH_MAX)]
      const problems = [...parked, ...options.capability.problems].slice(0, PROBLEMS_MAX)
      const capability = {
        ...options.capability,
        models,
        problems,
        ...(hosting && { hosting }),
        ...(parkedReason !== null && { parkedReason: parkedReason.slice(0, PROBLEM_LENGTH_MAX) }),
      }
      return encodeFrame(FrameType.capability, 0, encoder.encode(writeReport({ capability, askPerGpuHour })))
    },
  }
  return offer
}

import type { SupervisedEngine } from '#engines/engine.ts'
import type { ModelSpeed } from '#engines/measure.ts'
import type { Timer } from '#host/host.ts'
import type { HostedModel, HostingStage, ModelFacts, WantedModel } from '#protocol/model-catalogue.ts'
import type { Problem } from '#protocol/problem.ts'

/** One model that was placed here, from the order until it is unloaded. */
export interface HostedEntry {
  wanted: WantedModel
  stage: HostingStage
  /** When `stage` began, by the monotonic clock. */
  sinceMs: number
  /** Of the download, as it goes on. */
  downloadLeftMs: number | null
  problem: Problem | null
  facts: ModelFacts | null
  engine: SupervisedEngine | null
  /** Measured when it was warmed; from then on it can serve. */
  speed: ModelSpeed | null
  /** Requests under way. */
  open: number
  readonly abort: AbortController
  /** Ends a drain that takes too long. */
  drainTimer: Timer | null
  /** It was wanted again while it was being unloaded. */
  again: WantedModel | null
}

export const newEntry = (wanted: WantedModel, nowMs: number): HostedEntry => ({
  wanted,
  stage: 'waiting',
  sinceMs: nowMs,
  downloadLeftMs: null,
  problem: null,
  facts: wanted.facts ?? null,
  engine: null,
  speed: null,
  open: 0,
  abort: new AbortController(),
  drainTimer: null,
  again: null,
})

/** What is expected of each step: the weights are read once, then a few tokens are made. */
const WARM_MS = 4_000
const START_MS = 2_000
const READ_BYTES_PER_MS = 500_000
const MESSAGE_MAX = 500

/** What the node says of it. */
export function hostedModel(entry: HostedEntry, nowMs: number): HostedModel {
  const { wanted, problem, facts } = entry
  const isDown = entry.stage === 'ready' && entry.engine?.models().length === 0
  const stage = isDown ? 'loading' : entry.stage
  return {
    model: wanted.model,
    stage,
    etaMs: isDown ? null : etaMsOf(entry, nowMs),
    ...(problem && { problem: { code: problem.code, message: problem.message.slice(0, MESSAGE_MAX) } }),
    ...(facts && { facts }),
  }
}

function etaMsOf({ stage, facts, sinceMs, downloadLeftMs }: HostedEntry, nowMs: number): number | null {
  const loadMs = START_MS + Math.ceil((facts?.sizeBytes ?? 0) / READ_BYTES_PER_MS)
  const left = (wholeMs: number): number => Math.max(0, Math.ceil(wholeMs - (nowMs - sinceMs)))
  switch (stage) {
    case 'ready':
      return 0
    case 'downloading':
      return downloadLeftMs === null ? null : downloadLeftMs + loadMs + WARM_MS
    case 'loading':
      return left(loadMs) + WARM_MS
    case 'warming':
      return left(WARM_MS)
    default:
      return null
  }
}

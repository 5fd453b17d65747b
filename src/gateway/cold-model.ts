import { formatDuration, SECOND_MS } from '#kernel/time.ts'
import type { ColdModel } from '#protocol/model-catalogue.ts'
import { Problem } from '#protocol/problem.ts'

/** A proof of hardware takes seconds. */
const RETRY_PROVING_MS = 5_000
/** When to ask again for a model that no node can take. */
const RETRY_NO_NODE_MS = 30_000

/**
 * What a request for a model of the catalogue gets that no node serves now: null, and it waits, while a node will serve
 * it before `waitMs` are over or nobody knows better; else why not, and when to come back.
 */
export function coldModelAnswer(parts: {
  readonly model: string
  /** As the coordinator told it last, `toldMsAgo`; undefined when it told nothing of this model. */
  readonly cold: ColdModel | undefined
  readonly toldMsAgo: number
  readonly waitMs: number
}): Problem | null {
  const { model, cold, toldMsAgo, waitMs } = parts
  if (!cold) return null
  if (cold.etaMs === null) {
    const why = cold.why === null ? '' : ` ${cold.why}`
    return new Problem(
      'no_node_available',
      `No node can take the model '${model}' now.${why} Try again later.`,
      {
        details: { retryAfterMs: RETRY_NO_NODE_MS },
      },
    )
  }
  const leftMs = Math.max(0, cold.etaMs - toldMsAgo)
  if (leftMs <= waitMs) return null
  const retryAfterMs = Math.ceil(leftMs / SECOND_MS) * SECOND_MS
  return new Problem(
    'model_loading',
    `The model '${model}' is being loaded; a node serves it in about ${formatDuration(retryAfterMs)}. Try again then.`,
    { details: { retryAfterMs } },
  )
}

/** What a request gets for a model that only nodes have which still prove their hardware, or were just let in. */
export const provingModelAnswer = (model: string): Problem =>
  new Problem(
    'model_loading',
    `A node that serves the model '${model}' has just joined and is proving its hardware; that takes some seconds. Try again then.`,
    { details: { retryAfterMs: RETRY_PROVING_MS } },
  )

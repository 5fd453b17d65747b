/**
 * Counts answers anew, with the gateway's own copy of a model's vocabulary, once they are over and before they are
 * billed: a node is paid the smaller of its claim and the count. Every answer of a new node, and of one that was found
 * to claim too much, is counted; of the others a sample, which nobody can tell from outside.
 */

import type { Log } from '#host/host.ts'
import type { TokenCounter } from '#host/token-counter.ts'
import type { Random } from '#kernel/random.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import type { Overclaim } from '../audits/open-audits.ts'
import { type Claim, KeptAnswer } from './kept-answer.ts'

export interface Recounter {
  /** Where the answer of this node to this request is to be kept, to be counted at its end; `null` where it is not. */
  keep(request: EngineRequest, nodeId: string): KeptAnswer | null
  close(): void
}

/** Counts the tokens of one model. */
export interface ModelCounter {
  readonly counter: TokenCounter
  /** The operator's own node serves it: while that is alone, there is nobody to be checked. */
  readonly isOwn: boolean
}

export interface RecounterParts {
  readonly random: Random
  readonly log: Log
  readonly counters: ReadonlyMap<string, ModelCounter>
  /** A node claimed too much. */
  readonly onOverclaim?: (nodeId: string, of: Overclaim) => void
  /** Nodes that serve it now. */
  readonly serving: (model: string) => number
}

/** Of a node that this gateway does not know yet. */
const ANSWERS_FIRST = 32
/** Of one that it knows, one in so many. */
const SAMPLE = 8
/** From here on what it delivers counts as failed, which routing draws its own conclusions from. */
const STRIKES_MAX = 3
/** A claim that is a little too high is cut, and no more: a node may count a stop text that the caller does not see. */
const FORGIVEN_BPS = 200
const FORGIVEN_TOKENS = 8
/** Nodes beyond this many are forgotten, oldest first. */
const NODES_MAX = 10_000

interface NodeRecord {
  answers: number
  strikes: number
}

export function createRecounter({ random, log, counters, serving, onOverclaim }: RecounterParts): Recounter {
  const records = new Map<string, NodeRecord>()

  function recordOf(nodeId: string): NodeRecord {
    const known = records.get(nodeId)
    if (known) return known
    const [oldest] = records.keys()
    if (records.size >= NODES_MAX && oldest !== undefined) records.delete(oldest)
    const record = { answers: 0, strikes: 0 }
    records.set(nodeId, record)
    return record
  }

  function judge(nodeId: string, { requestId, model }: EngineRequest, claim: Claim, counted: Claim): void {
    const excess = Math.max(
      excessOf(claim.completionTokens, counted.completionTokens),
      excessOf(claim.promptTokens, counted.promptTokens),
    )
    const record = recordOf(nodeId)
    if (excess <= 0) record.strikes = Math.max(0, record.strikes - 1)
    else {
      record.strikes++
      const [claimed, found] = [claim, counted].map((one) => one.promptTokens + one.completionTokens)
      onOverclaim?.(nodeId, { requestId, model, claimed: claimed ?? 0, counted: found ?? 0 })
      log.warn('node.overclaimed', {
        nodeId,
        model,
        promptTokensClaimed: claim.promptTokens,
        promptTokens: counted.promptTokens,
        completionTokensClaimed: claim.completionTokens,
        completionTokens: counted.completionTokens,
        strikes: record.strikes,
      })
    }
  }

  return {
    keep(request, nodeId) {
      const known = counters.get(request.model)
      if (!known || request.kind === 'embedding') return null
      const { counter, isOwn } = known
      if (isOwn && serving(request.model) < 2) return null
      const record = recordOf(nodeId)
      if (record.answers++ >= ANSWERS_FIRST && record.strikes === 0 && !random.chance(1, SAMPLE)) return null
      counter.warm()
      return new KeptAnswer(request, {
        counter,
        isSuspect: () => record.strikes >= STRIKES_MAX,
        judge: (claim, counted) => judge(nodeId, request, claim, counted),
      })
    },
    close() {
      for (const { counter } of counters.values()) counter.close()
    },
  }
}

const excessOf = (claimed: number, counted: number): number =>
  claimed - counted * (1 + FORGIVEN_BPS / 10_000) - FORGIVEN_TOKENS

/** What has to hold at every moment of a farm with money, between what the coordinator decided and what its nodes do. */
import type { CoordinatorEvent } from '#coordinator/coordinator-events.ts'
import type { CoordinatorState } from '#coordinator/coordinator-state.ts'
import { assert } from '#kernel/assert.ts'
import { SECOND_MS } from '#kernel/time.ts'
import type { MoneyNode } from './money-node.ts'

/** Without a fault, a node that has what it should not have hears so by its next beat; a few of those may be lost. */
const KNOWS_MS = 3 * SECOND_MS
const KNOWS_LOSSY_MS = 8 * SECOND_MS
/** Nobody who has been here undisturbed for so long may be taken for lost. */
const QUIET_MS = 10 * SECOND_MS
/** Nodes come back to a coordinator that started. */
const GRACE_MS = 30 * SECOND_MS

interface Given {
  readonly node: MoneyNode
  readonly lives: number
  readonly connections: number
}

export class MoneyRules {
  readonly #nodes: ReadonlyMap<string, MoneyNode>
  readonly #isLossy: boolean
  /** What runs and should not, since when. */
  readonly #stale = new Map<number, number>()
  readonly #given = new Map<number, Given>()
  #openedAtMs = 0
  /** Results that arrived from nodes that had been away meanwhile. */
  deliveredLate = 0
  /** Of agents that were killed: tasks that ran, and results that were made and on their way. */
  runningLost = 0
  madeLost = 0

  constructor(nodes: ReadonlyMap<string, MoneyNode>, isLossy: boolean) {
    this.#nodes = nodes
    this.#isLossy = isLossy
  }

  /** Another coordinator leads: what the last one decided and did not write down never happened. */
  opened(nowMs: number): void {
    this.#openedAtMs = nowMs
  }

  killed(node: MoneyNode, state: CoordinatorState | null): void {
    assert(node.running.size <= 1, `${node.nodeId} loses the task that it runs, and not ${node.running.size}`)
    this.runningLost += node.running.size
    for (const attempt of state?.work.attempts.values() ?? [])
      if (attempt.nodeId === node.nodeId && attempt.committedAtMs !== null) this.madeLost++
  }

  note(event: CoordinatorEvent, nowMs: number): void {
    switch (event.type) {
      case 'work.granted': {
        const node = this.#nodes.get(event.nodeId)
        assert(node, `${event.nodeId} is known`)
        this.#given.set(event.fence, { node, lives: node.lives, connections: node.connections })
        return
      }
      case 'work.delivered': {
        const given = this.#given.get(event.fence)
        if (given && given.node.lives === given.lives && given.node.connections > given.connections)
          this.deliveredLate++
        return
      }
      case 'work.job_paused':
        return assert(false, `${event.jobId} pauses: ${event.detail}`)
      case 'work.attempt_ended':
        return this.#ended(event, nowMs)
    }
  }

  /** Whoever is here, and was, keeps what it has; and whatever breaks here, no node and no task is to blame for it. */
  #ended(event: Extract<CoordinatorEvent, { type: 'work.attempt_ended' }>, nowMs: number): void {
    const { fence, how, failure } = event
    const isBlamed = failure !== undefined && failure.class !== 'infrastructure'
    assert(!isBlamed, `attempt ${fence} fails, and nobody did wrong: ${failure?.class}: ${failure?.message}`)
    if (how !== 'lease_expired' && !(how === 'forgotten' && !this.#isLossy)) return
    const { node, lives } = this.#given.get(fence) ?? {}
    const isQuiet = nowMs - this.#openedAtMs > GRACE_MS && (node?.servesForMs() ?? 0) > QUIET_MS
    assert(
      !isQuiet || node?.lives !== lives,
      `${node?.nodeId} is here undisturbed, and its attempt ${fence} ends: ${how}`,
    )
  }

  /** `state`: what the coordinator knows; `null` while there is none. */
  look(state: CoordinatorState | null, nowMs: number): void {
    const knowsMs = this.#isLossy ? KNOWS_LOSSY_MS : KNOWS_MS
    for (const node of this.#nodes.values()) {
      for (const fence of node.running) {
        const isLive = state === null || state.work.attempts.get(fence)?.nodeId === node.nodeId
        const sinceMs = isLive ? nowMs : (this.#stale.get(fence) ?? nowMs)
        this.#stale.set(fence, sinceMs)
        const couldKnowMs = Math.min(nowMs - sinceMs, node.servesForMs(), nowMs - this.#openedAtMs)
        assert(
          couldKnowMs <= knowsMs || node.isRefused,
          `${node.nodeId} runs ${fence}, which ended ${nowMs - sinceMs} ms ago`,
        )
      }
    }
  }

  /** Faults are over and all jobs have ended: nobody has anything any more. */
  end(): void {
    for (const node of this.#nodes.values()) {
      if (node.isRefused) continue
      const { nodeId, running, held, folders } = node
      const has = { attempts: node.count(), running: running.size, held, folders }
      const isFree = Object.values(has).every((count) => count === 0)
      assert(isFree, `${nodeId} has something in the end: ${JSON.stringify(has)}`)
    }
  }
}

/**
 * What the journal must say of how well nodes work, counted here once more: neither the deciders' code nor their constants
 * are used.
 */
import type { CoordinatorEvent } from '#coordinator/coordinator-events.ts'
import type { CoordinatorState } from '#coordinator/coordinator-state.ts'
import { assert } from '#kernel/assert.ts'

/** The promises of docs/concepts/reputation.md. */
const REST_MS = 60_000
const WEEK_MS = 7 * 24 * 3_600_000
/** Whoever has been sick for so long is out everywhere: its gateway hears of it first. */
const OUT_AFTER_MS = 15_000

interface Seen {
  good: number
  bad: number
  badAtMs: number
  week: number
  isUp: boolean
  /** Since when it is up, or lost. */
  sinceMs: number
  sickSinceMs: number | null
  standing: number
}

/** Reads a journal entry by entry, in order; throws at the first that breaks a rule. */
export class ReputationRules {
  readonly #nodes = new Map<string, Seen>()
  readonly #halted = new Set<string>()
  /** Whether some gateway may not have heard at this time what the coordinator decided. */
  readonly #isBlind: (atMs: number) => boolean

  constructor(isBlind: (atMs: number) => boolean) {
    this.#isBlind = isBlind
  }

  read(events: readonly CoordinatorEvent[]): void {
    for (const event of events) this.#take(event)
  }

  /** The state that the journal led to says the same. */
  end({ reputation, fleet }: CoordinatorState): void {
    assert(reputation.nodes.size === fleet.nodes.size, 'every node has a record, and no other')
    for (const [nodeId, { good, bad, sick, standing, isUp, sinceMs }] of reputation.nodes) {
      const seen = this.#nodes.get(nodeId)
      assert(seen, `${nodeId} has a record, and never enrolled`)
      assert(good === seen.good, `${nodeId} gave ${seen.good} answers, its record has ${good}`)
      assert(bad === seen.bad, `${nodeId} failed ${seen.bad} times, its record has ${bad}`)
      assert((sick?.sinceMs ?? null) === seen.sickSinceMs, `${nodeId} is as sick as it was last told to be`)
      assert(standing === seen.standing, `${nodeId} stands at ${seen.standing}, its record has ${standing}`)
      assert(
        sinceMs === seen.sinceMs,
        `${nodeId} is up or lost since ${seen.sinceMs}, its record has ${sinceMs}`,
      )
      const isHere = fleet.nodes.get(nodeId)?.presence !== 'absent'
      assert(isUp === isHere, `${nodeId} is ${isHere ? '' : 'not '}here, its record says otherwise`)
    }
    assert(reputation.halted.size === this.#halted.size, 'the halted versions are those that were halted')
  }

  #take(event: CoordinatorEvent): void {
    switch (event.type) {
      case 'fleet.node_enrolled': {
        const week = Math.floor(event.atMs / WEEK_MS)
        this.#nodes.set(event.nodeId, {
          ...{ good: 0, bad: 0, badAtMs: Number.NEGATIVE_INFINITY, week, sickSinceMs: null, standing: 90 },
          ...{ isUp: false, sinceMs: event.atMs },
        })
        return
      }
      case 'fleet.node_online':
      case 'fleet.node_lost': {
        const seen = this.#seen(event.nodeId, event.atMs)
        const isUp = event.type === 'fleet.node_online'
        if (seen.isUp !== isUp) Object.assign(seen, { isUp, sinceMs: event.atMs })
        return
      }
      case 'usage.recorded':
        return this.#count(event)
      case 'reputation.graded':
        for (const { nodeId, standing } of event.grades) {
          const seen = this.#seen(nodeId, event.atMs)
          assert(standing !== seen.standing, `${nodeId} is graded ${standing} and was so before`)
          assert(standing % 5 === 0, `${nodeId} is graded ${standing}, in no step of five`)
          seen.standing = standing
        }
        return
      case 'reputation.node_sick':
        this.#seen(event.nodeId, event.atMs).sickSinceMs = event.atMs
        return
      case 'reputation.node_well': {
        const seen = this.#seen(event.nodeId, event.atMs)
        const { sickSinceMs } = seen
        assert(sickSinceMs !== null, `${event.nodeId} is well again and was not sick`)
        assert(
          event.atMs - sickSinceMs >= REST_MS,
          `${event.nodeId} is well ${event.atMs - sickSinceMs} ms after`,
        )
        seen.sickSinceMs = null
        return
      }
      case 'reputation.version_halted':
        assert(!this.#halted.has(event.agentVersion), `version ${event.agentVersion} is halted twice`)
        this.#halted.add(event.agentVersion)
        return
      case 'reputation.version_cleared':
        assert(this.#halted.delete(event.agentVersion), `version ${event.agentVersion} was not halted`)
        return
    }
  }

  #count({ record, atMs = 0 }: Extract<CoordinatorEvent, { type: 'usage.recorded' }>): void {
    const failed = new Set((record.failed ?? []).map(({ nodeId }) => nodeId))
    for (const nodeId of failed) {
      const seen = this.#seen(nodeId, atMs)
      if (atMs < seen.badAtMs + 1_000) continue
      seen.bad++
      seen.badAtMs = atMs
    }
    for (const { nodeId, completionTokens } of record.parts) {
      const seen = this.#seen(nodeId, atMs)
      const isOut = seen.sickSinceMs !== null && record.startedAtMs > seen.sickSinceMs + OUT_AFTER_MS
      assert(
        !isOut || this.#isBlind(record.startedAtMs),
        `${nodeId} worked on ${record.requestId}, which came when it had long been sick`,
      )
      if (!failed.has(nodeId) && (completionTokens > 0 || record.outcome === 'completed')) seen.good++
    }
  }

  #seen(nodeId: string, atMs: number): Seen {
    const seen = this.#nodes.get(nodeId)
    assert(seen, `${nodeId} is told of, and never enrolled`)
    const week = Math.floor(atMs / WEEK_MS)
    for (; seen.week < week; seen.week++) {
      seen.good = Math.floor(seen.good / 2)
      seen.bad = Math.floor(seen.bad / 2)
    }
    return seen
  }
}

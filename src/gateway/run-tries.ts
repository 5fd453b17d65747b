import { assert } from '#kernel/assert.ts'
import type { Problem } from '#protocol/problem.ts'
import type { NodeFailure, UsagePart } from '#protocol/usage.ts'
import type { Attempt } from './attempt.ts'
import type { NodeFacts } from './preferences.ts'

/** The node that works on a request, or did last, and until one of both delivers the second one that races it. */
export class RunTries {
  current: Attempt | null = null
  /** Stopped for no fault of theirs, as another delivered first or nobody wanted either any more. */
  readonly #losers: Attempt[] = []
  #rival: Attempt | null = null
  /** Nodes that failed it. */
  readonly failures: NodeFailure[] = []
  readonly #blamed: NodeFacts[] = []

  /** Of the nodes that work on it or failed it. */
  get facts(): readonly NodeFacts[] {
    const { current } = this
    return current ? [...this.#blamed, current.placement.seat.facts] : this.#blamed
  }

  get rival(): Attempt | null {
    return this.#rival
  }

  get isRace(): boolean {
    return this.#rival !== null
  }

  race(rival: Attempt): void {
    this.#rival = rival
  }

  /** `winner` has delivered: the other is stopped. */
  decide(winner: Attempt): void {
    const loser = this.#other(winner)
    // The first was late when the second was asked.
    loser.stop(loser === this.current ? 'beaten' : 'left')
    this.#losers.push(loser)
    this.current = winner
    this.#rival = null
  }

  /** `failed` is out of the race before either delivered. Who goes on alone. */
  leave(failed: Attempt): Attempt {
    const other = this.#other(failed)
    this.current = other
    this.#rival = null
    return other
  }

  /** `attempt` has failed through a fault of its node. One that is merely full has not. */
  blame({ node: { nodeId }, placement, ending }: Attempt, { code, details: { how } }: Problem): void {
    if (ending === 'full') return
    this.#blamed.push(placement.seat.facts)
    if (ending === 'slow') this.failures.push({ nodeId, how: 'slow' })
    else if (how === 'lost' || how === 'wrong') this.failures.push({ nodeId, how })
    else this.failures.push({ nodeId, how: code === 'node_timeout' ? 'stalled' : 'failed' })
  }

  /** Nobody wants more of either. */
  stop(): void {
    if (this.#rival) this.#losers.push(this.#rival)
    this.#rival?.stop('left')
    this.#rival = null
    this.current?.stop('left')
  }

  /** What losers are owed for reading the prompt, of which no more is believed than was paid for in `parts`. */
  losersOf(parts: readonly UsagePart[]): UsagePart[] {
    const promptTokensMax = parts.reduce((sum, { promptTokens }) => sum + promptTokens, 0)
    return this.#losers.flatMap(({ part }) => {
      const promptTokens = Math.min(part.promptTokens, promptTokensMax)
      if (promptTokens === 0) return []
      const { cachedPromptTokens = 0 } = part
      const isCut = cachedPromptTokens > promptTokens
      return [
        { ...part, promptTokens, completionTokens: 0, ...(isCut && { cachedPromptTokens: promptTokens }) },
      ]
    })
  }

  #other(one: Attempt): Attempt {
    const other = one === this.current ? this.#rival : this.current
    assert(other, 'a race has two')
    return other
  }
}

import { assert } from '#kernel/assert.ts'
import type { Attempt } from './attempt.ts'

/** The node that works on a request, or did last, and until one of both delivers the second one that races it. */
export class RunTries {
  current: Attempt | null = null
  #rival: Attempt | null = null

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
    this.#other(winner).stop('left')
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

  /** Nobody wants more of either. */
  stop(): void {
    this.#rival?.stop('left')
    this.#rival = null
    this.current?.stop('left')
  }

  #other(one: Attempt): Attempt {
    const other = one === this.current ? this.#rival : this.current
    assert(other, 'a race has two')
    return other
  }
}

/** The money that a request holds while it runs: enough for the most that it can cost where it is. */
import { formatUsd, type NanoUsd } from '#kernel/money.ts'
import { Problem } from '#protocol/problem.ts'
import type { Reservation } from './slices.ts'

type ReserveResult = Reservation | 'funds_insufficient' | 'unavailable'

export interface MoneyHost {
  reserve(
    organisationId: string,
    amount: NanoUsd,
    done: (result: ReserveResult) => void,
    instead: Reservation | null,
  ): void
  settle(reservation: Reservation, cost: NanoUsd, sequence: number): void
}

export class RunMoney {
  readonly #host: MoneyHost
  readonly #organisationId: string
  #reservation: Reservation | null = null

  constructor(host: MoneyHost, organisationId: string) {
    this.#host = host
    this.#organisationId = organisationId
  }

  /** Empty while nothing is reserved. */
  get holdId(): string {
    return this.#reservation?.holdId ?? ''
  }

  covers(amount: NanoUsd): boolean {
    return amount <= (this.#reservation?.amount ?? 0n)
  }

  /**
   * Reserves `amount` in place of what is reserved, which stays until then: what was delivered is owed. `done` hears why
   * it was refused, or null when it was not, or could not be asked: `covers` tells. It hears nothing when nobody wants
   * it any more.
   */
  reserve(amount: NanoUsd, told: { isWanted: () => boolean; done: (refusal: Problem | null) => void }): void {
    const done = (result: ReserveResult): void => {
      if (!told.isWanted()) {
        if (typeof result !== 'string') this.#host.settle(result, 0n, 0)
        return
      }
      if (result === 'funds_insufficient') return told.done(fundsInsufficient(amount))
      if (typeof result !== 'string') {
        this.release(0n, 0)
        this.#reservation = result
      }
      told.done(null)
    }
    this.#host.reserve(this.#organisationId, amount, done, this.#reservation)
  }

  /** Gives back what is reserved beyond `cost`, which the spool's record `sequence` tells of. */
  release(cost: NanoUsd, sequence: number): void {
    if (this.#reservation) this.#host.settle(this.#reservation, cost, sequence)
    this.#reservation = null
  }
}

const fundsInsufficient = (amount: NanoUsd): Problem =>
  new Problem(
    'funds_insufficient',
    `This request may cost up to $${formatUsd(amount)}, which the account cannot cover. Deposit more, or lower max_tokens.`,
  )

/** What must hold of alerts, by the journal alone: all that its bills have reached is told, in the entry of the bill, once. */
import type { CoordinatorEvent } from '#coordinator/coordinator-events.ts'
import { assert } from '#kernel/assert.ts'
import { DAY_MS } from '#kernel/time.ts'

interface Spending {
  readonly budgetId: string
  readonly limit: bigint | undefined
}

/** Limits are as keys were made: the simulation changes none. */
export class AlertRules {
  readonly #keys = new Map<string, Spending>()
  readonly #spent = new Map<string, bigint>()
  readonly #told = new Set<string>()

  /** One entry, in order. */
  read(events: readonly CoordinatorEvent[]): void {
    const due = new Set<string>()
    for (const event of events) {
      if (event.type === 'organisation.key_created') {
        const { keyId, rotatedFromKeyId, limits } = event
        const budgetId = this.#keys.get(rotatedFromKeyId ?? '')?.budgetId ?? keyId
        this.#keys.set(keyId, { budgetId, limit: limits?.spendPerDay })
      } else if (event.type === 'usage.recorded') {
        for (const place of this.#reached(event)) due.add(place)
      } else if (event.type === 'organisation.budget_reached' && event.window === 'day') {
        const place = `${event.budgetId} ${Math.floor(event.atMs / DAY_MS)} ${event.sharePercent}`
        assert(due.delete(place), `${place} % is told, though it was told before or not reached`)
        this.#told.add(place)
      }
    }
    const [left] = due
    assert(left === undefined, `${left} % was reached, and its entry does not tell it`)
  }

  /** Shares of the key's limit that its budget has come to with this bill, and that were not told. */
  #reached({ record, cost, atMs = 0 }: CoordinatorEvent & { type: 'usage.recorded' }): string[] {
    const key = this.#keys.get(record.keyId)
    if (!key) return []
    const window = `${key.budgetId} ${Math.floor(atMs / DAY_MS)}`
    const spent = (this.#spent.get(window) ?? 0n) + cost
    this.#spent.set(window, spent)
    const { limit } = key
    if (limit === undefined) return []
    return [50, 80, 100]
      .filter((share) => spent * 100n >= limit * BigInt(share))
      .map((share) => `${window} ${share}`)
      .filter((place) => !this.#told.has(place))
  }
}

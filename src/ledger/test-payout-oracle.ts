/** The oracle of the ledger, with money on its way out: asked for, paid or refused, and held back. For tests. */
import type { LedgerCommand } from './decide-ledger.ts'
import { LedgerOracle, type Outcome } from './test-ledger-oracle.ts'

const MEMORY_MS = 90 * 86_400_000
const NEVER_MS = Number.MAX_SAFE_INTEGER

interface Asked {
  readonly id: string
  readonly what: string
  readonly account: string
  readonly amount: bigint
  /** How it ended, and when; empty while it waits. */
  end: string
  endedAtMs: number
}

export class PayoutOracle extends LedgerOracle {
  asked: Asked[] = []
  askedForgotBeforeMs = 0

  override apply(it: LedgerCommand): Outcome {
    const asked = 'payoutId' in it ? this.asked.find(({ id }) => id === it.payoutId) : undefined
    switch (it.kind) {
      case 'request_payout':
        return this.#ask(it, asked)
      case 'pay_payout':
        return this.#settle(asked, `paid as ${it.externalReference}`, it.nowMs)
      case 'refuse_payout':
        return this.#settle(asked, 'refused', it.nowMs)
      case 'hold_back': {
        const id = `holdback:${it.holdbackId}`
        const earlier = this.holds.find((hold) => hold.id === id)
        if (it.amount < 1n || this.kinds[it.accountId] !== 'provider') return 'refused'
        if (earlier)
          return earlier.account === it.accountId && earlier.lent === it.amount ? 'repeat' : 'refused'
        return this.lay({ id, account: it.accountId, owner: 'holdback', lent: it.amount, endMs: NEVER_MS })
      }
      case 'release_holdback': {
        const hold = this.holds.find(({ id }) => id === `holdback:${it.holdbackId}`)
        return hold ? this.end(hold) : 'refused'
      }
      case 'forget_payouts': {
        const kept = this.asked.filter(({ end, endedAtMs }) => !end || endedAtMs >= it.nowMs - MEMORY_MS)
        if (kept.length === this.asked.length) return 'repeat'
        this.asked = kept
        this.askedForgotBeforeMs = it.nowMs - MEMORY_MS
        return 'done'
      }
      default:
        return super.apply(it)
    }
  }

  #ask(it: LedgerCommand & { kind: 'request_payout' }, earlier: Asked | undefined): Outcome {
    const { payoutId: id, accountId: account, amount, method, destination } = it
    if (amount < 1n || this.kinds[account] !== 'provider') return 'refused'
    const what = JSON.stringify([account, String(amount), method, destination])
    if (earlier) return earlier.what === what ? 'repeat' : 'refused'
    if (it.createdAtMs < this.askedForgotBeforeMs || amount < it.minimum) return 'refused'
    const laid = this.lay({ id: `payout:${id}`, account, owner: 'payout', lent: amount, endMs: NEVER_MS })
    if (laid === 'done') this.asked.push({ id, what, account, amount, end: '', endedAtMs: 0 })
    return laid
  }

  #settle(asked: Asked | undefined, end: string, atMs: number): Outcome {
    if (!asked || (asked.end && asked.end !== end)) return 'refused'
    if (asked.end) return 'repeat'
    const hold = this.holds.find(({ id }) => id === `payout:${asked.id}`)
    if (!hold) return 'refused'
    asked.end = end
    asked.endedAtMs = atMs
    this.end(hold)
    if (end === 'refused') return 'done'
    this.put(asked.account, -asked.amount)
    return this.put('external:payouts', asked.amount)
  }
}

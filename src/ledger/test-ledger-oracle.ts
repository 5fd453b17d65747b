/** The ledger in the plainest words of docs/concepts/money.md, for tests: it knows nothing of the decider. */
import { maximum, minimum } from '#kernel/money.ts'
import type { LedgerCommand } from './decide-ledger.ts'

export type Outcome = 'done' | 'repeat' | 'refused'
type Hold = { id: string; account: string; owner: string; lent: bigint; endMs: number }
const [WEEK_MS, LENT_AGAIN_AFTER_MS] = [7 * 86_400_000, 60_000]
const OWN = ['external:deposits', 'external:test', 'external:payouts', 'network:fees', 'network:losses']
const set = <T extends object>(on: T, part: Partial<T>): Outcome =>
  Object.assign(on, part) ? 'done' : 'refused'

export class LedgerOracle {
  readonly kinds: Record<string, string> = Object.fromEntries(OWN.map((id) => [id, id.split(':')[0] ?? '']))
  /** What is available in each account, and what lies in each `hold ID`. */
  readonly money: Record<string, bigint> = {}
  holds: Hold[] = []
  transfers: { id: string; what: string; atMs: number }[] = []
  forgotBeforeMs = 0
  readonly spools: Record<string, number> = {}
  readonly references: string[] = []

  of = (place: string): bigint => this.money[place] ?? 0n
  heldIn = (account: string): bigint =>
    this.holds.reduce((sum, hold) => (hold.account === account ? sum + this.of(`hold ${hold.id}`) : sum), 0n)
  put = (place: string, amount: bigint) => set(this.money, { [place]: this.of(place) + amount })
  lay(hold: Hold): Outcome {
    if (hold.lent < 1n || !this.kinds[hold.account] || this.of(hold.account) < hold.lent) return 'refused'
    this.holds.push(hold)
    this.put(hold.account, -hold.lent)
    return this.put(`hold ${hold.id}`, hold.lent)
  }
  end({ id, account }: Hold): Outcome {
    this.holds = this.holds.filter((hold) => hold.id !== id)
    this.put(account, this.of(`hold ${id}`))
    return this.put(`hold ${id}`, -this.of(`hold ${id}`))
  }

  apply(it: LedgerCommand): Outcome {
    const hold = 'holdId' in it ? this.holds.find(({ id }) => id === it.holdId) : undefined
    if (it.kind === 'transfer') return this.#transfer(it)
    if (it.kind === 'capture') return this.#capture(it, hold)
    if (it.kind === 'open_account') {
      return this.kinds[it.accountId] ? 'refused' : set(this.kinds, { [it.accountId]: it.accountKind })
    }
    if (it.kind === 'forget_transfers') {
      const kept = this.transfers.filter(({ atMs }) => atMs >= it.nowMs - WEEK_MS)
      if (kept.length === this.transfers.length) return 'repeat'
      return set<LedgerOracle>(this, { transfers: kept, forgotBeforeMs: it.nowMs - WEEK_MS })
    }
    if (it.kind === 'advance_spool') {
      if (it.firstSequence !== (this.spools[it.spoolId] ?? 1)) return 'refused'
      return set(this.spools, { [it.spoolId]: it.firstSequence + it.count })
    }
    if (it.kind === 'open_hold') {
      const { holdId: id, accountId: account, ownerId: owner, amount: lent, expiresAtMs: endMs } = it
      return hold || endMs <= it.nowMs ? 'refused' : this.lay({ id, account, owner, lent, endMs })
    }
    if (!hold || ('ownerId' in it && it.ownerId !== hold.owner)) return 'refused'
    if (it.kind === 'release_hold') return this.end(hold)
    if (it.kind === 'expire_hold')
      return it.nowMs < hold.endMs + LENT_AGAIN_AFTER_MS ? 'refused' : this.end(hold)
    if (it.kind === 'extend_hold')
      return it.expiresAtMs <= hold.endMs ? 'refused' : set(hold, { endMs: it.expiresAtMs })
    if (it.kind !== 'raise_hold') throw new Error(`the oracle knows no ${it.kind}`)
    const more = it.lent - hold.lent
    if (more <= 0n || this.of(hold.account) < more) return more <= 0n ? 'repeat' : 'refused'
    hold.lent = it.lent
    this.put(hold.account, -more)
    return this.put(`hold ${hold.id}`, more)
  }

  #transfer(it: LedgerCommand & { kind: 'transfer' }): Outcome {
    const { debitAccountId: from, creditAccountId: to, amount, externalReference: name } = it
    if (amount < 1n || from === to || !this.kinds[from] || !this.kinds[to]) return 'refused'
    const what = `${from} ${to} ${amount}`
    const earlier = this.transfers.find(({ id }) => id === it.transferId)
    if (earlier) return earlier.what === what ? 'repeat' : 'refused'
    if (it.createdAtMs < this.forgotBeforeMs || (name && this.references.includes(name))) return 'refused'
    if (this.kinds[from] !== 'external' && this.of(from) < amount) return 'refused'
    this.transfers.push({ id: it.transferId, what, atMs: it.nowMs })
    if (name) this.references.push(name)
    this.put(from, -amount)
    return this.put(to, amount)
  }

  #capture(it: LedgerCommand & { kind: 'capture' }, hold: Hold | undefined): Outcome {
    if (![it, ...it.payouts].every(({ accountId }) => this.kinds[accountId])) return 'refused'
    if (it.payouts.length === 0 || it.payouts.some(({ amount }) => amount < 1n)) return 'refused'
    if (hold && hold.account !== it.accountId) return 'refused'
    let due = it.payouts.reduce((sum, { amount }) => sum + amount, 0n)
    for (const place of hold ? [`hold ${hold.id}`, it.accountId] : [it.accountId]) {
      const taken = maximum(0n, minimum(this.of(place), due))
      this.put(place, -taken)
      due -= taken
    }
    this.put('network:losses', -due)
    for (const { accountId, amount } of it.payouts) this.put(accountId, amount)
    return 'done'
  }
}

/** Commands drawn from a seed: small sets of names, so that they meet, and amounts from nothing to far too much. */
import type { Random } from '#kernel/random.ts'
import type { LedgerCommand } from './decide-ledger.ts'
import type { AccountKind } from './ledger-events.ts'

const HOUR_MS = 3_600_000
const ACCOUNTS = 12
const NAMES = 40

const own = ['external:deposits', 'external:test', 'network:fees', 'network:losses']
const kinds: readonly AccountKind[] = ['consumer', 'consumer', 'provider']
const amounts = [-1n, 0n, 1n, 2n, 999n, 1_000_000n, 20_000_000n, 10n ** 12n, 2n ** 63n, 10n ** 30n]

/** Draws one command at a time; its clock goes on by itself, mostly by minutes. */
export class CommandSource {
  readonly #random: Random
  #nowMs = 1_800_000_000_000
  readonly #spoolNext: (spoolId: string) => number

  /** `spoolNext` tells what a spool would bring next if it had heard every answer. */
  constructor(random: Random, spoolNext: (spoolId: string) => number) {
    this.#random = random
    this.#spoolNext = spoolNext
  }

  next(): LedgerCommand {
    const { int } = this.#random
    this.#nowMs += int(500) === 0 ? int(200 * 24) * HOUR_MS : int(60_000)
    const draw = this.#pick(this.#draws)
    return draw()
  }

  #pick = <T>(items: readonly T[]): T => items[this.#random.int(items.length)] as T
  #chance = (percent: number): boolean => this.#random.chance(percent, 100)
  #name = (prefix: string): string => `${prefix}${this.#random.int(NAMES)}`
  #account = (): string => {
    if (this.#chance(6)) return this.#pick(own)
    return `a${this.#random.int(this.#chance(2) ? 100 : ACCOUNTS)}`
  }
  #provider = (): string =>
    this.#chance(90) ? `a${2 + 3 * this.#random.int(ACCOUNTS / 3)}` : this.#account()
  #amount = (): bigint =>
    this.#chance(80) ? BigInt(1 + this.#random.int(2_000_000_000)) : this.#pick(amounts)
  #owner = (): string => (this.#chance(90) ? 'gateway' : 'another')
  /** When the caller made the id: now, or so long ago that it may be forgotten. */
  #createdAtMs = (): number => this.#nowMs - (this.#chance(90) ? 0 : this.#random.int(120 * 24) * HOUR_MS)

  readonly #transfer = (): LedgerCommand => ({
    kind: 'transfer',
    transferId: `t${this.#random.int(400)}`,
    debitAccountId: this.#chance(60) ? 'external:test' : this.#account(),
    creditAccountId: this.#account(),
    amount: this.#chance(50) ? this.#amount() : 50_000_000_000n,
    memo: '',
    createdAtMs: this.#createdAtMs(),
    nowMs: this.#nowMs,
    ...(this.#chance(20) && { externalReference: `ref${this.#random.int(2_000)}` }),
  })
  readonly #capture = (): LedgerCommand => ({
    kind: 'capture',
    transferId: this.#name('usage'),
    accountId: this.#account(),
    holdId: this.#name('h'),
    payouts: Array.from({ length: this.#random.int(4) }, () => ({
      accountId: this.#chance(40) ? 'network:fees' : this.#account(),
      amount: this.#amount(),
    })),
    memo: '',
    nowMs: this.#nowMs,
  })
  readonly #openHold = (): LedgerCommand => ({
    kind: 'open_hold',
    holdId: this.#name('h'),
    accountId: this.#account(),
    ownerId: this.#owner(),
    amount: this.#amount(),
    expiresAtMs: this.#nowMs + (this.#chance(90) ? 180_000 : -this.#random.int(2)),
    nowMs: this.#nowMs,
  })
  readonly #advanceSpool = (): LedgerCommand => {
    const spoolId = `spool${this.#random.int(3)}`
    const next = this.#spoolNext(spoolId)
    const firstSequence = this.#chance(70) ? next : Math.max(1, next + this.#random.int(7) - 3)
    return { kind: 'advance_spool', spoolId, firstSequence, count: 1 + this.#random.int(5) }
  }
  readonly #requestPayout = (): LedgerCommand => ({
    kind: 'request_payout',
    payoutId: this.#name('p'),
    accountId: this.#provider(),
    amount: this.#amount(),
    minimum: this.#chance(90) ? 1_000n : 10n ** 12n,
    method: 'manual',
    destination: this.#pick(['here', 'there']),
    createdAtMs: this.#createdAtMs(),
    nowMs: this.#nowMs,
  })

  /** Each as often as it stands here. */
  readonly #draws: readonly (() => LedgerCommand)[] = [
    this.#transfer,
    this.#transfer,
    this.#capture,
    this.#capture,
    this.#capture,
    this.#openHold,
    this.#openHold,
    this.#advanceSpool,
    this.#requestPayout,
    () => {
      const index = this.#random.int(ACCOUNTS)
      return { kind: 'open_account', accountId: `a${index}`, accountKind: kinds[index % 3] ?? 'consumer' }
    },
    () => ({ kind: 'raise_hold', holdId: this.#name('h'), ownerId: this.#owner(), lent: this.#amount() }),
    () => {
      const expiresAtMs = this.#nowMs + 180_000 - this.#random.int(2) * HOUR_MS
      return { kind: 'extend_hold', holdId: this.#name('h'), ownerId: this.#owner(), expiresAtMs }
    },
    () => ({ kind: 'release_hold', holdId: this.#name('h'), ownerId: this.#owner() }),
    () => ({ kind: 'expire_hold', holdId: this.#name('h'), nowMs: this.#nowMs }),
    () => ({ kind: this.#pick(['forget_transfers', 'forget_payouts'] as const), nowMs: this.#nowMs }),
    () => {
      const externalReference = this.#pick(['wire 1', 'wire 2'])
      return { kind: 'pay_payout', payoutId: this.#name('p'), externalReference, nowMs: this.#nowMs }
    },
    () => ({ kind: 'refuse_payout', payoutId: this.#name('p'), reason: 'no', nowMs: this.#nowMs }),
    () => {
      const accountId = this.#provider()
      return {
        kind: 'hold_back',
        holdbackId: this.#name('b'),
        accountId,
        amount: this.#amount(),
        nowMs: this.#nowMs,
      }
    },
    () => ({ kind: 'release_holdback', holdbackId: this.#name('b') }),
  ]
}

/** What a cell's ledger is asked to do, as one endless round per account, every command of which is accepted. */
import { openOrganisation } from '#coordinator/open-organisation.ts'
import type { Turn } from '#coordinator/turn.ts'
import { assert } from '#kernel/assert.ts'
import type { LedgerCommand } from '#ledger/decide-ledger.ts'
import { consumerAccount, EXTERNAL_TEST, NETWORK_FEES, providerAccount } from '#ledger/ledger.ts'

const ACCOUNTS = 1_000
const PROVIDERS = 100
const OWNER = 'gateway-0'
const DAY_MS = 86_400_000
const GIFT = 1_000_000_000_000n

const organisationOf = (number: number): string => `org_bench${String(number).padStart(19, '0')}`

/** Organisations with their accounts, and money on each: one turn. */
export function foundLedger(turn: Turn): void {
  for (let number = 0; number < ACCOUNTS + PROVIDERS; number++) {
    const organisationId = organisationOf(number)
    assert(openOrganisation(turn, { organisationId, name: organisationId }) === null, 'the ledger is new')
    const refusal = turn.ledger(transfer(turn.nowMs, { number, transferId: `gift-${number}`, amount: GIFT }))
    assert(refusal === null, `a gift is accepted, not ${refusal}`)
  }
}

/**
 * The command `number` of the load, to be given to one turn. Seven commands go round over each account: a deposit,
 * a hold opened and raised, three captures with two payouts each out of it, and its release.
 */
export function ledgerCommand(number: number, nowMs: number): LedgerCommand {
  const account = number % ACCOUNTS
  const round = Math.floor(number / ACCOUNTS)
  const step = round % STEPS
  const holdId = `hold_${String(account).padStart(10, '0')}${String(Math.floor(round / STEPS)).padStart(14, '0')}`
  const accountId = consumerAccount(organisationOf(account))
  switch (step) {
    case 0:
      return transfer(nowMs, { number: account, transferId: `deposit_${number}`, amount: 5_000_000n })
    case 1: {
      const expiresAtMs = nowMs + DAY_MS
      return {
        kind: 'open_hold',
        holdId,
        accountId,
        ownerId: OWNER,
        amount: 20_000_000n,
        expiresAtMs,
        nowMs,
      }
    }
    case 3:
      return { kind: 'raise_hold', holdId, ownerId: OWNER, lent: 40_000_000n }
    case 6:
      return { kind: 'release_hold', holdId, ownerId: OWNER }
    default:
      return {
        kind: 'capture',
        transferId: `usage:req_${String(number).padStart(24, '0')}`,
        accountId,
        holdId,
        payouts: [
          { accountId: providerAccount(organisationOf(ACCOUNTS + (number % PROVIDERS))), amount: 1_583_333n },
          { accountId: NETWORK_FEES, amount: 83_333n },
        ],
        memo: `guide-small · req_${String(number).padStart(24, '0')}`,
        nowMs,
      }
  }
}
const STEPS = 7

const transfer = (nowMs: number, { number, transferId, amount }: Deposit): LedgerCommand => ({
  kind: 'transfer',
  transferId,
  debitAccountId: EXTERNAL_TEST,
  creditAccountId: consumerAccount(organisationOf(number)),
  amount,
  memo: 'test balance',
  createdAtMs: nowMs,
  nowMs,
})
interface Deposit {
  readonly number: number
  readonly transferId: string
  readonly amount: bigint
}

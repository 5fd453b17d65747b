import type { Random } from '#kernel/random.ts'
import { providerAccount } from '#ledger/ledger.ts'
import { noteAct, type SimActs } from './sim-acts.ts'

const PAYOUT_MIN = 1n
const PROVIDERS = 5
const SETTLED_WITHIN_MS = 30_000

/** A provider asks for part of what it has; an operator pays or refuses it some time later. */
export function payOut({ insist, later }: SimActs, random: Random, payoutId: string): void {
  const organisationId = `org_provider${random.int(PROVIDERS)}`
  const accountId = providerAccount(organisationId)
  const part = BigInt(1 + random.int(4))
  const isPaid = random.chance(2, 3)
  const settle = (): void =>
    insist(
      (turn) => {
        if (!turn.state.ledger.payouts.has(payoutId)) return null
        const { nowMs } = turn
        const refusal = isPaid
          ? turn.ledger({ kind: 'pay_payout', payoutId, externalReference: `bank ${payoutId}`, nowMs })
          : turn.ledger({ kind: 'refuse_payout', payoutId, reason: 'sim', nowMs })
        return refusal ?? noteAct(turn, organisationId, isPaid ? 'payPayout' : 'refusePayout')
      },
      () => {},
    )
  insist(
    (turn) => {
      const { nowMs, state } = turn
      const amount = (state.ledger.accounts.get(accountId)?.available ?? 0n) / part
      if (amount < PAYOUT_MIN || state.ledger.payouts.has(payoutId)) return null
      const wanted = { payoutId, accountId, amount, minimum: PAYOUT_MIN, method: 'manual', destination: 'd' }
      const refusal = turn.ledger({ kind: 'request_payout', ...wanted, createdAtMs: nowMs, nowMs })
      return refusal ?? noteAct(turn, organisationId, 'requestPayout')
    },
    () => later(random.int(SETTLED_WITHIN_MS), settle),
  )
}

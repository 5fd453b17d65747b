import { assert } from '#kernel/assert.ts'
import type { NanoUsd } from '#kernel/money.ts'
import { consumerAccount, EXTERNAL_TEST } from '#ledger/ledger.ts'
import { founderOf } from './answers/operator.ts'
import { openOrganisation } from './open-organisation.ts'
import type { Turn } from './turn.ts'

export interface Founding {
  readonly organisationId: string
  readonly name: string
  /** Test money that the founding organisation starts with, marked as such; 0 for none. */
  readonly testBalance: NanoUsd
}

/** The organisation that runs a network, made with its very first turn; on a network that has one, that one's id. */
export function foundNetwork(turn: Turn, { organisationId, name, testBalance }: Founding): string {
  const founder = founderOf(turn.state.organisations)
  if (founder !== null) return founder
  const refusal = openOrganisation(turn, { organisationId, name })
  assert(refusal === null, 'an empty network has no organisation')
  if (testBalance > 0n) {
    const refused = turn.ledger({
      kind: 'transfer',
      transferId: `founding:${organisationId}`,
      debitAccountId: EXTERNAL_TEST,
      creditAccountId: consumerAccount(organisationId),
      amount: testBalance,
      memo: 'test balance',
      createdAtMs: turn.nowMs,
      nowMs: turn.nowMs,
    })
    assert(refused === null, `an empty ledger takes a test balance, not ${refused}`)
  }
  return organisationId
}

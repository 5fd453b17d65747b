import { assert } from '#kernel/assert.ts'
import { consumerAccount, providerAccount } from '#ledger/ledger.ts'
import type { OrganisationRefusal } from '#organisations/organisation-refusal.ts'
import type { Turn } from './turn.ts'

/** An organisation and its two accounts: what it spends and what it earns. */
export function openOrganisation(
  turn: Turn,
  { organisationId, name }: { organisationId: string; name: string },
): OrganisationRefusal | null {
  const refusal = turn.organisations({ kind: 'create_organisation', organisationId, name, nowMs: turn.nowMs })
  if (refusal) return refusal
  const accounts = [
    [consumerAccount(organisationId), 'consumer'],
    [providerAccount(organisationId), 'provider'],
  ] as const
  for (const [accountId, accountKind] of accounts) {
    const opened = turn.ledger({ kind: 'open_account', accountId, accountKind })
    assert(opened === null, 'a new organisation has no account yet')
  }
  return null
}

/** What handlers of money share. */
import type { Ledger, Account as LedgerAccount } from '#ledger/ledger.ts'
import type { Account } from '#protocol/account.ts'
import type { Caller } from '#protocol/route.ts'
import { maySee, notFound } from './handler-parts.ts'

export function visibleAccount(ledger: Ledger, accountId: string, caller: Caller): LedgerAccount {
  const account = ledger.accounts.get(accountId)
  if (!account || !maySee(caller, organisationOf(account))) throw notFound('account', accountId)
  return account
}

/** The organisation in an account's id; null for the network's own accounts. */
export const organisationOf = (account: LedgerAccount): string | null =>
  account.kind === 'consumer' || account.kind === 'provider'
    ? account.id.slice(account.id.indexOf(':') + 1)
    : null

export const toAccount = (account: LedgerAccount): Account => ({
  accountId: account.id,
  organisationId: organisationOf(account),
  kind: account.kind,
  available: account.available,
  held: account.held,
})

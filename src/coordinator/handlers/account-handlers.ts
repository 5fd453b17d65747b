import { EXTERNAL_DEPOSITS, EXTERNAL_TEST, type Account as LedgerAccount } from '#ledger/ledger.ts'
import type { Account } from '#protocol/account.ts'
import { PAGE_LIMIT_DEFAULT, type PageQuery, paginate } from '#protocol/page.ts'
import { Problem } from '#protocol/problem.ts'
import type { Caller, Handlers } from '#protocol/route.ts'
import type { ControlRoutes } from '#protocol/routes.ts'
import { execute, type HandlerParts, listedOrganisation, maySee, notFound } from './handler-parts.ts'

type Names =
  | 'listAccounts'
  | 'getAccount'
  | 'depositToAccount'
  | 'getStatement'
  | 'checkLedger'
  | 'listUsage'
  | 'summariseUsage'

/** How long a read waits for the read model to reach what the caller may just have done. */
const FRESH_WITHIN_MS = 2_000

export function accountHandlers(parts: HandlerParts): Pick<Handlers<ControlRoutes>, Names> {
  const { coordinator, projector, queries } = parts
  const { ledger } = coordinator.state

  function visible(accountId: string, caller: Caller): LedgerAccount {
    const account = ledger.accounts.get(accountId)
    if (!account || !maySee(caller, organisationOf(account))) throw notFound('account', accountId)
    return account
  }

  async function fresh(): Promise<void> {
    await projector.reach(coordinator.sequence(), FRESH_WITHIN_MS)
  }

  const page = (query: PageQuery | undefined) => ({
    limit: query?.limit ?? PAGE_LIMIT_DEFAULT,
    before: query?.before ?? null,
  })

  return {
    listAccounts: ({ query }, caller) =>
      execute(parts, () => {
        const organisationId = listedOrganisation(caller, query.organisationId)
        const accounts = [...ledger.accounts.values()]
          .filter((account) => organisationId === null || organisationOf(account) === organisationId)
          .sort((a, b) => (a.id < b.id ? -1 : 1))
          .map(toAccount)
        return paginate(accounts, query, (account) => account.accountId)
      }),

    getAccount: ({ params }, caller) => execute(parts, () => toAccount(visible(params.accountId, caller))),

    depositToAccount: ({ params, body }, caller) =>
      execute(parts, (turn) => {
        const account = visible(params.accountId, caller)
        const { transferId, createdAtMs, amount, memo, isTest } = body
        if (account.kind === 'external') {
          throw new Problem(
            'invalid_request',
            `${account.id} stands for the world outside; deposit to a consumer account.`,
          )
        }
        const refusal = turn.ledger({
          kind: 'transfer',
          transferId,
          debitAccountId: isTest ? EXTERNAL_TEST : EXTERNAL_DEPOSITS,
          creditAccountId: account.id,
          amount,
          memo: memo === '' ? (isTest ? 'test deposit' : 'deposit') : memo,
          createdAtMs,
          nowMs: turn.nowMs,
        })
        if (refusal) throw refusedDeposit(refusal, transferId)
        return { transferId, amount, account: toAccount(account) }
      }),

    async getStatement({ params, query }, caller) {
      visible(params.accountId, caller)
      await fresh()
      const statement = await queries.statement(params.accountId, page(query))
      return { accountId: params.accountId, ...statement, lagEntries: projector.lag() }
    },

    checkLedger: () =>
      execute(parts, () => {
        let sum = 0n
        let held = 0n
        for (const account of ledger.accounts.values()) sum += account.available + account.held
        for (const hold of ledger.holds.values()) held += hold.left
        return { sum, accounts: ledger.accounts.size, holds: ledger.holds.size, held }
      }),

    async listUsage({ query }, caller) {
      await fresh()
      const filter = { organisationId: listedOrganisation(caller, undefined), model: query.model ?? null }
      return { ...(await queries.usage(filter, page(query))), lagEntries: projector.lag() }
    },

    async summariseUsage({ query }, caller) {
      await fresh()
      const filter = { organisationId: listedOrganisation(caller, undefined), model: null }
      return { ...(await queries.usageSummary(filter, page(query))), lagEntries: projector.lag() }
    },
  }
}

/** The organisation in an account's id; null for the network's own accounts. */
const organisationOf = (account: LedgerAccount): string | null =>
  account.kind === 'consumer' || account.kind === 'provider'
    ? account.id.slice(account.id.indexOf(':') + 1)
    : null

const toAccount = (account: LedgerAccount): Account => ({
  accountId: account.id,
  organisationId: organisationOf(account),
  kind: account.kind,
  available: account.available,
  held: account.held,
})

function refusedDeposit(refusal: string, transferId: string): Problem {
  if (refusal === 'transfer_exists') {
    return new Problem(
      'conflict',
      `Transfer ${transferId} exists with another amount or account. Take a new id for a new deposit.`,
    )
  }
  if (refusal === 'transfer_too_old') {
    return new Problem(
      'conflict',
      `Transfer ${transferId} is older than the ledger remembers, so it may be a repeat. Look at the statement, then use a new id.`,
    )
  }
  return new Problem('conflict', `The ledger refused the deposit: ${refusal}.`)
}

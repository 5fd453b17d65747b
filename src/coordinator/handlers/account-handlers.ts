import { EXTERNAL_DEPOSITS, EXTERNAL_TEST } from '#ledger/ledger.ts'
import { paginate } from '#protocol/page.ts'
import { Problem } from '#protocol/problem.ts'
import type { Handlers } from '#protocol/route.ts'
import type { ControlRoutes } from '#protocol/routes.ts'
import { organisationOf, toAccount, visibleAccount } from './account-parts.ts'
import { act } from './act.ts'
import {
  execute,
  freshly,
  type HandlerParts,
  listedOrganisation,
  pageRequest,
  projectFilter,
} from './handler-parts.ts'

type Names =
  | 'listAccounts'
  | 'getAccount'
  | 'depositToAccount'
  | 'getStatement'
  | 'checkLedger'
  | 'listUsage'
  | 'summariseUsage'

export function accountHandlers(parts: HandlerParts): Pick<Handlers<ControlRoutes>, Names> {
  const { projector, queries } = parts
  const { ledger } = parts.coordinator.state

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

    getAccount: ({ params }, caller) =>
      execute(parts, () => toAccount(visibleAccount(ledger, params.accountId, caller))),

    depositToAccount: ({ params, body }, caller, context) => {
      const { transferId, createdAtMs, amount, memo, isTest, externalReference } = body
      const details = {
        transferId,
        amount: String(amount),
        isTest: String(isTest),
        ...(externalReference !== undefined && { externalReference }),
      }
      return act(parts, { caller, context }, { objectId: params.accountId, details }, (turn, doing) => {
        const account = visibleAccount(ledger, params.accountId, caller)
        doing.organisationId = organisationOf(account)
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
          ...(externalReference !== undefined && externalReference !== '' && { externalReference }),
        })
        if (refusal) throw refusedDeposit(refusal, transferId)
        return { transferId, amount, account: toAccount(account) }
      })
    },

    async getStatement({ params, query }, caller) {
      visibleAccount(ledger, params.accountId, caller)
      await freshly(parts)
      const statement = await queries.statement(params.accountId, pageRequest(query))
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
      const organisationId = listedOrganisation(caller, query.organisationId)
      const projectId = projectFilter(parts, caller, query.projectId)
      await freshly(parts)
      const filter = { organisationId, projectId, model: query.model ?? null }
      return { ...(await queries.usage(filter, pageRequest(query))), lagEntries: projector.lag() }
    },

    async summariseUsage({ query }, caller) {
      const organisationId = listedOrganisation(caller, query.organisationId)
      const projectId = projectFilter(parts, caller, query.projectId)
      await freshly(parts)
      const filter = { organisationId, projectId, model: query.model ?? null }
      return { ...(await queries.usageSummary(filter, pageRequest(query))), lagEntries: projector.lag() }
    },
  }
}

function refusedDeposit(refusal: string, transferId: string): Problem {
  if (refusal === 'transfer_exists') {
    return new Problem(
      'conflict',
      `Transfer ${transferId} exists with another amount or account. Take a new id for a new deposit.`,
    )
  }
  if (refusal === 'reference_used') {
    return new Problem(
      'conflict',
      'Money was booked under this external reference before. Look at the statement; each payment is booked once.',
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

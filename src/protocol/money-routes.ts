/** Money: accounts, deposits, what providers earned, and how it is paid out. */
import { z } from 'zod'
import { Account, AccountPage, Deposit, DepositRequest, LedgerCheck, Statement } from './account.ts'
import { Id } from './field.ts'
import { PageQuery, pageQuery } from './page.ts'
import {
  Earnings,
  HoldBackPay,
  Holdback,
  HoldbackPage,
  Payout,
  PayoutPage,
  PayoutState,
  PayPayout,
  RefusePayout,
  RequestPayout,
} from './payout.ts'
import type { Routes } from './route.ts'
import { organisationQuery } from './route-queries.ts'

const AccountParams = z.strictObject({ accountId: Id })
const PayoutParams = z.strictObject({ payoutId: Id })
const HoldbackParams = z.strictObject({ holdbackId: Id })

export const moneyRoutes = {
  listAccounts: {
    method: 'GET',
    path: '/api/accounts',
    scope: 'viewer',
    summary: 'Lists the organisation’s accounts; for an operator, all accounts.',
    query: z.strictObject({ ...pageQuery, ...organisationQuery }),
    reply: AccountPage,
  },
  getAccount: {
    method: 'GET',
    path: '/api/accounts/:accountId',
    scope: 'viewer',
    summary: 'Reads one account, always as new as the ledger.',
    params: AccountParams,
    reply: Account,
  },
  depositToAccount: {
    method: 'POST',
    path: '/api/accounts/:accountId/deposits',
    scope: 'operator',
    summary: 'Adds money to an account. Idempotent by `transferId`; each external reference is booked once.',
    params: AccountParams,
    body: DepositRequest,
    example: {
      transferId: 'invoice-2026-118',
      createdAtMs: 1_795_348_800_000,
      amount: '25000000000',
      memo: 'invoice 2026-118',
      externalReference: 'bank 7731-22',
      isTest: false,
    },
    reply: Deposit,
  },
  getStatement: {
    method: 'GET',
    path: '/api/accounts/:accountId/statement',
    scope: 'viewer',
    summary: 'Reads an account’s postings, newest first.',
    params: AccountParams,
    query: PageQuery,
    reply: Statement,
  },
  holdBackPay: {
    method: 'POST',
    path: '/api/accounts/:accountId/holdbacks',
    scope: 'operator',
    summary:
      'Keeps pay of a provider back: it stays theirs, and cannot be paid out. Idempotent by `holdbackId`.',
    params: AccountParams,
    body: HoldBackPay,
    example: { holdbackId: 'audit-77', amount: '250000000', reason: 'Answers under review.' },
    reply: Holdback,
    status: 201,
  },
  listHoldbacks: {
    method: 'GET',
    path: '/api/accounts/:accountId/holdbacks',
    scope: 'viewer',
    summary: 'Lists what is held back of an account.',
    params: AccountParams,
    query: PageQuery,
    reply: HoldbackPage,
  },
  releaseHoldback: {
    method: 'DELETE',
    path: '/api/holdbacks/:holdbackId',
    scope: 'operator',
    summary: 'Makes pay that was held back available again.',
    params: HoldbackParams,
    reply: Account,
  },
  getEarnings: {
    method: 'GET',
    path: '/api/accounts/:accountId/earnings',
    scope: 'viewer',
    summary: 'Reads what a provider’s account earned, and where that money is.',
    params: AccountParams,
    reply: Earnings,
  },
  requestPayout: {
    method: 'POST',
    path: '/api/payouts',
    scope: 'billing',
    summary: 'Asks for earned money to be paid out. Idempotent by `requestId`.',
    description: 'The amount is held from then on, until an operator paid it or refused.',
    body: RequestPayout,
    example: {
      requestId: 'october',
      createdAtMs: 1_795_348_800_000,
      amount: '25000000000',
      destination: 'IBAN XX00 0000 0000 0000',
    },
    reply: Payout,
    status: 201,
  },
  listPayouts: {
    method: 'GET',
    path: '/api/payouts',
    scope: 'viewer',
    summary: 'Lists the organisation’s payouts, newest first; for an operator, all payouts.',
    query: z.strictObject({ ...pageQuery, ...organisationQuery, state: PayoutState.optional() }),
    reply: PayoutPage,
  },
  getPayout: {
    method: 'GET',
    path: '/api/payouts/:payoutId',
    scope: 'viewer',
    summary: 'Reads one payout.',
    params: PayoutParams,
    reply: Payout,
  },
  payPayout: {
    method: 'POST',
    path: '/api/payouts/:payoutId/paid',
    scope: 'operator',
    summary: 'Says that a payout was paid, and under which reference. A repeat changes nothing.',
    params: PayoutParams,
    body: PayPayout,
    example: { externalReference: 'bank 8812-07' },
    reply: Payout,
  },
  refusePayout: {
    method: 'POST',
    path: '/api/payouts/:payoutId/refuse',
    scope: 'operator',
    summary: 'Refuses a payout: its amount is available again. A repeat changes nothing.',
    params: PayoutParams,
    body: RefusePayout,
    example: { reason: 'The account number does not exist.' },
    reply: Payout,
  },
  checkLedger: {
    method: 'GET',
    path: '/api/ledger/check',
    scope: 'operator',
    summary: 'Sums every account: the proof that no money was made or lost.',
    reply: LedgerCheck,
  },
} as const satisfies Routes

import { z } from 'zod'
import { Id, Line, TimestampMs } from './field.ts'
import { NanoUsd, PositiveNanoUsd } from './money.ts'
import { freshness, pageOf } from './page.ts'

export const AccountKind = z.enum(['consumer', 'provider', 'network', 'external']).meta({ id: 'AccountKind' })
export type AccountKind = z.output<typeof AccountKind>

export const Account = z
  .object({
    accountId: Id.describe(
      '`consumer:<organisation>`, `provider:<organisation>`, or one of the network’s own.',
    ),
    /** `null` for the network's own accounts. */
    organisationId: Id.nullable(),
    kind: AccountKind,
    available: NanoUsd,
    held: NanoUsd,
  })
  .meta({ id: 'Account', description: 'Money that is available, and money that is held for work under way.' })
export type Account = z.output<typeof Account>

export const AccountPage = z.object(pageOf(Account)).meta({ id: 'AccountPage' })

export const DepositRequest = z
  .strictObject({
    transferId: Id.describe('Made by the caller. The same id again is the same deposit: it happens once.'),
    createdAtMs: TimestampMs.describe(
      'When the caller made `transferId`. One older than the ledger’s memory of transfers is refused, for it could be a repeat.',
    ),
    amount: PositiveNanoUsd,
    memo: Line,
    externalReference: Line.optional().describe(
      'What the money’s way in is called outside: the bank’s or the invoice’s number. Needed unless `isTest`; each is booked once.',
    ),
    isTest: z
      .boolean()
      .describe('Marked as test money: it comes out of `external:test`, not `external:deposits`.'),
  })
  .refine(({ isTest, externalReference }) => isTest || (externalReference ?? '') !== '', {
    path: ['externalReference'],
    error:
      'expected what the money’s way in is called outside, such as the bank’s number; only test money has none',
  })
  .meta({ id: 'DepositRequest' })
export type DepositRequest = z.output<typeof DepositRequest>

export const Deposit = z
  .object({ transferId: Id, amount: NanoUsd, account: Account })
  .meta({ id: 'Deposit', description: 'A deposit as it stands, with the account after it.' })
export type Deposit = z.output<typeof Deposit>

/**
 * What a posting is: money from outside, a transfer between accounts, pay for work (out of the payer, into the
 * provider), the network's fee on that work, work that the payer's money did not cover and the network bore, or money
 * that was paid out.
 */
export const StatementKind = z
  .enum(['deposit', 'transfer', 'capture', 'fee', 'loss', 'payout'])
  .meta({ id: 'StatementKind' })
export type StatementKind = z.output<typeof StatementKind>

export const StatementLine = z
  .object({
    sequence: z.int().positive().describe('The journal entry that it happened in.'),
    atMs: TimestampMs,
    kind: StatementKind,
    memo: z.string(),
    amount: NanoUsd.describe('What the account gained; negative for what it paid.'),
    counterpartyAccountId: Id,
    transferId: Id,
    requestId: Id.nullable(),
    externalReference: z.string().nullable().describe('Of money that came in or went out.'),
    balanceAfter: NanoUsd.describe('Available and held together, after this line.'),
  })
  .meta({ id: 'StatementLine' })
export type StatementLine = z.output<typeof StatementLine>

export const Statement = z
  .object({ accountId: Id, ...pageOf(StatementLine), ...freshness })
  .meta({ id: 'Statement', description: 'Postings of one account, newest first.' })
export type Statement = z.output<typeof Statement>

export const LedgerCheck = z
  .object({
    sum: NanoUsd.describe('Over all accounts. Always zero.'),
    accounts: z.int().nonnegative(),
    holds: z.int().nonnegative(),
    held: NanoUsd.describe('Total that open holds have reserved.'),
  })
  .meta({ id: 'LedgerCheck' })
export type LedgerCheck = z.output<typeof LedgerCheck>

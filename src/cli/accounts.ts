import { Command } from 'commander'
import type { NanoUsd } from '#kernel/money.ts'
import type { Account, StatementLine } from '#protocol/account.ts'
import type { Client } from '#protocol/client.ts'
import type { PageQuery } from '#protocol/page.ts'
import { Problem } from '#protocol/problem.ts'
import { routes } from '#protocol/routes.ts'
import { usd } from './arguments.ts'
import type { CliContext } from './context.ts'
import { formatMoney, formatPosting, formatTime } from './format.ts'
import { groupCommand } from './group.ts'
import { pageOfOptions, withPageOptions } from './page-options.ts'
import { withRepeat } from './repeat.ts'
import { runSession, type Session, show, showFields, showLag, showNext, showTable } from './session.ts'
import type { Column } from './table.ts'

/** `shoal accounts`: balances, deposits and statements. */
export const accountsCommand = (context: CliContext): Command =>
  groupCommand({ name: 'accounts', description: 'balances, deposits and statements' }, listCommand(context), [
    balanceCommand(context),
    depositCommand(context),
    statementCommand(context),
    checkCommand(context),
  ])

const ACCOUNT_ARGUMENT = "an account's id (default: the organisation's consumer account)"

const listCommand = (context: CliContext): Command =>
  withPageOptions(new Command('list').description("list the organisation's accounts"), 100)
    .option('--all', "every organisation's and the network's own (operators only)")
    .action((_word: undefined, options: PageQuery & { all?: boolean }, command: Command) =>
      runSession(context, command, async (session) => {
        const client = options.all ? session.operator : session.member
        const page = await client.listAccounts({ query: pageOfOptions(options) })
        show(
          session,
          routes.listAccounts.reply,
          page,
          () => showTable(session, accountColumns, page.items, 'No accounts.') + showNext(session, page.next),
        )
      }),
    )

const balanceCommand = (context: CliContext): Command =>
  new Command('balance')
    .description('show what an account has')
    .argument('[account]', ACCOUNT_ARGUMENT)
    .action((accountId: string | undefined, _options: unknown, command: Command) =>
      runSession(context, command, async (session) => {
        const account = await findAccount(session, accountId)
        show(session, routes.getAccount.reply, account, () => showBalance(session, account))
      }),
    )

interface DepositOptions {
  readonly account?: string
  readonly memo: string
  readonly reference?: string
  readonly test?: boolean
  readonly transferId?: string
}

const depositCommand = (context: CliContext): Command =>
  new Command('deposit')
    .description('add money to an account (operators only)')
    .argument('<usd>', 'how much, in US dollars', usd)
    .option('--account <id>', ACCOUNT_ARGUMENT)
    .option('--memo <text>', 'a line for the statement', 'deposit')
    .option('--reference <text>', "what the money's way in is called outside; only test money has none")
    .option('--test', 'mark it as test money')
    .option(
      '--transfer-id <id>',
      'repeats the deposit of that id: it happens once (of test money within 7 days)',
    )
    .action((amount: NanoUsd, options: DepositOptions, command: Command) =>
      runSession(context, command, async (session) => {
        if (!options.test && !options.reference) throw referenceMissing()
        const { accountId } = await findAccount(session, options.account)
        const transferId = options.transferId ?? context.newId('trf')
        const body = {
          transferId,
          createdAtMs: context.clock.nowMs(),
          amount,
          memo: options.memo,
          ...(options.reference !== undefined && { externalReference: options.reference }),
          isTest: options.test === true,
        }
        const deposit = await session.operator
          .depositToAccount({ params: { accountId }, body })
          .catch((error: unknown) => {
            throw withRepeat(error, { what: 'deposit', option: '--transfer-id', id: transferId })
          })
        show(session, routes.depositToAccount.reply, deposit, () =>
          [
            `Deposited ${formatMoney(deposit.amount)} to ${accountId}.`,
            showBalance(session, deposit.account),
          ].join('\n'),
        )
      }),
    )

const referenceMissing = (): Problem =>
  new Problem(
    'invalid_request',
    "Say with --reference what the money's way in is called outside, such as the bank's number; or give --test for test money.",
  )

const statementCommand = (context: CliContext): Command =>
  withPageOptions(
    new Command('statement')
      .description("show an account's postings, newest first")
      .argument('[account]', ACCOUNT_ARGUMENT),
    20,
  ).action((given: string | undefined, options: PageQuery, command: Command) =>
    runSession(context, command, async (session) => {
      const { accountId } = await findAccount(session, given)
      const client = given === undefined ? session.member : session.operator
      const page = await client.getStatement({ params: { accountId }, query: pageOfOptions(options) })
      show(session, routes.getStatement.reply, page, () => {
        const table = showTable(session, statementColumns, page.items, 'No postings.')
        return table + showLag(session, page.lagEntries) + showNext(session, page.next)
      })
    }),
  )

const checkCommand = (context: CliContext): Command =>
  new Command('check')
    .description('prove that the books balance (operators only)')
    .action((_options: unknown, command: Command) =>
      runSession(context, command, async (session) => {
        const check = await session.operator.checkLedger()
        show(session, routes.checkLedger.reply, check, () =>
          showFields(session, [
            ['sum of all accounts', `${formatMoney(check.sum)}${check.sum === 0n ? ', as it must be' : ''}`],
            ['accounts', String(check.accounts)],
            ['holds', `${check.holds}, of ${formatMoney(check.held)} together`],
          ]),
        )
      }),
    )

/** The account of that id, read as an operator; without one, the consumer account of the key's own organisation. */
async function findAccount(session: Session, accountId: string | undefined): Promise<Account> {
  if (accountId !== undefined) return session.operator.getAccount({ params: { accountId } })
  const own = await ownConsumerAccounts(session.member)
  const [account, another] = own
  if (account && !another) return account
  throw new Problem(
    'invalid_request',
    account
      ? 'This key sees more than one consumer account. Say which one; `shoal accounts` lists them.'
      : 'The organisation has no consumer account. Say which account; `shoal accounts --all` lists them.',
  )
}

async function ownConsumerAccounts(client: Client): Promise<Account[]> {
  const { items } = await client.listAccounts()
  return items.filter((account) => account.kind === 'consumer')
}

const showBalance = (session: Session, account: Account): string =>
  showFields(session, [
    ['account', account.accountId],
    ['available', formatMoney(account.available)],
    [
      'held',
      `${formatMoney(account.held)}${account.kind === 'consumer' && account.held > 0n ? HELD_FOR : ''}`,
    ],
  ])

const HELD_FOR = ' (for work under way, and what gateways keep ready for the next requests)'

/** A memo, and what the money's way in or out is called outside. */
const formatPurpose = ({ memo, externalReference }: StatementLine): string =>
  externalReference === null ? memo : `${memo} (${externalReference})`

const accountColumns: Column<Account>[] = [
  { title: 'ACCOUNT', text: (account) => account.accountId },
  { title: 'KIND', text: (account) => account.kind },
  { title: 'AVAILABLE', isRight: true, text: (account) => formatMoney(account.available) },
  { title: 'HELD', isRight: true, text: (account) => formatMoney(account.held) },
]

const statementColumns: Column<StatementLine>[] = [
  { title: 'WHEN (UTC)', text: (line) => formatTime(line.atMs) },
  { title: 'KIND', text: (line) => line.kind },
  {
    title: 'AMOUNT',
    isRight: true,
    text: (line) => formatPosting(line.amount),
    tone: (line) => (line.amount < 0n ? 'plain' : 'good'),
  },
  { title: 'BALANCE', isRight: true, text: (line) => formatMoney(line.balanceAfter) },
  { title: 'WITH', text: (line) => line.counterpartyAccountId },
  { title: 'FOR', text: (line) => line.requestId ?? formatPurpose(line) },
]

import { Command, Option } from 'commander'
import type { NanoUsd } from '#kernel/money.ts'
import type { PageQuery } from '#protocol/page.ts'
import { type Payout, PayoutState } from '#protocol/payout.ts'
import { routes } from '#protocol/routes.ts'
import { usd } from './arguments.ts'
import type { CliContext } from './context.ts'
import { formatMoney, formatTime } from './format.ts'
import { groupCommand } from './group.ts'
import { pageOfOptions, withPageOptions } from './page-options.ts'
import { withRepeat } from './repeat.ts'
import { runSession, type Session, show, showFields, showLag, showNext, showTable } from './session.ts'
import { type Column, printable } from './table.ts'

/** `shoal payouts`: earned money on its way out. */
export const payoutsCommand = (context: CliContext): Command =>
  groupCommand(
    { name: 'payouts', description: 'what was earned, and its way out: request, pay, refuse, hold back' },
    listCommand(context),
    [
      earningsCommand(context),
      requestCommand(context),
      paidCommand(context),
      refuseCommand(context),
      holdBackCommand(context),
      releaseCommand(context),
    ],
  )

const PAYOUT_ARGUMENT = 'its id, from `shoal payouts`'
const ACCOUNT_ARGUMENT = "a provider's account (default: the organisation's own)"

interface ListOptions extends PageQuery {
  readonly all?: boolean
  readonly state?: Payout['state']
}

const listCommand = (context: CliContext): Command =>
  withPageOptions(new Command('list').description("list the organisation's payouts, newest first"), 20)
    .option('--all', "every organisation's (operators only)")
    .addOption(new Option('--state <state>', 'only those').choices(PayoutState.options))
    .action((_word: undefined, options: ListOptions, command: Command) =>
      runSession(context, command, async (session) => {
        const client = options.all ? session.operator : session.member
        const { state } = options
        const query = { ...pageOfOptions(options), ...(state !== undefined && { state }) }
        const page = await client.listPayouts({ query })
        show(session, routes.listPayouts.reply, page, () => {
          const table = showTable(session, columns, page.items, 'No payouts.')
          return table + showLag(session, page.lagEntries) + showNext(session, page.next)
        })
      }),
    )

const earningsCommand = (context: CliContext): Command =>
  new Command('earnings')
    .description('show what was earned, and where that money is')
    .argument('[account]', ACCOUNT_ARGUMENT)
    .action((given: string | undefined, _options: unknown, command: Command) =>
      runSession(context, command, async (session) => {
        const client = given === undefined ? session.member : session.operator
        const accountId = given ?? (await ownProviderAccount(session))
        const earnings = await client.getEarnings({ params: { accountId } })
        show(session, routes.getEarnings.reply, earnings, () =>
          showFields(session, [
            ['account', earnings.accountId],
            ['earned', formatMoney(earnings.earned)],
            ['available', formatMoney(earnings.available)],
            ['held back', formatMoney(earnings.heldBack)],
            ['requested', formatMoney(earnings.requested)],
            ['paid', formatMoney(earnings.paid)],
            [
              'payouts',
              `from ${formatMoney(earnings.payoutMin)}, by ${earnings.methods.map(methodText).join(', ')}`,
            ],
          ]),
        )
      }),
    )

interface RequestOptions {
  readonly to: string
  readonly method?: string
  readonly requestId?: string
}

const requestCommand = (context: CliContext): Command =>
  new Command('request')
    .description('ask for earned money to be paid out')
    .argument('<usd>', 'how much, in US dollars', usd)
    .requiredOption('--to <destination>', 'where it goes, as the operator can pay to it')
    .option('--method <name>', 'how it is paid (default: manual)')
    .option('--request-id <id>', 'repeats the request of that id: it is made once')
    .action((amount: NanoUsd, { to, method, requestId: given }: RequestOptions, command: Command) =>
      runSession(context, command, async (session) => {
        const requestId = given ?? context.newId('pay')
        const body = {
          requestId,
          createdAtMs: context.clock.nowMs(),
          amount,
          destination: to,
          ...(method !== undefined && { method }),
        }
        const payout = await session.operator.requestPayout({ body }).catch((error: unknown) => {
          throw withRepeat(error, { what: 'payout', option: '--request-id', id: requestId })
        })
        show(session, routes.requestPayout.reply, payout, () => showPayout(session, payout))
      }),
    )

const paidCommand = (context: CliContext): Command =>
  new Command('paid')
    .description('say that a payout was paid (operators only)')
    .argument('<payout-id>', PAYOUT_ARGUMENT)
    .requiredOption('--reference <text>', 'what the payment is called outside')
    .action((payoutId: string, { reference }: { reference: string }, command: Command) =>
      runSession(context, command, async (session) => {
        const body = { externalReference: reference }
        const payout = await session.operator.payPayout({ params: { payoutId }, body })
        show(session, routes.payPayout.reply, payout, () => showPayout(session, payout))
      }),
    )

const refuseCommand = (context: CliContext): Command =>
  new Command('refuse')
    .description('refuse a payout; its amount is available again (operators only)')
    .argument('<payout-id>', PAYOUT_ARGUMENT)
    .requiredOption('--reason <text>', 'why, for its owner to read')
    .action((payoutId: string, { reason }: { reason: string }, command: Command) =>
      runSession(context, command, async (session) => {
        const payout = await session.operator.refusePayout({ params: { payoutId }, body: { reason } })
        show(session, routes.refusePayout.reply, payout, () => showPayout(session, payout))
      }),
    )

interface HoldBackOptions {
  readonly reason: string
  readonly id?: string
}

const holdBackCommand = (context: CliContext): Command =>
  new Command('hold-back')
    .description("keep part of a provider's pay back, so that it cannot be paid out (operators only)")
    .argument('<account>', "the provider's account")
    .argument('<usd>', 'how much, in US dollars', usd)
    .requiredOption('--reason <text>', 'why, for its owner to read')
    .option('--id <id>', 'repeats the holdback of that id: it is made once')
    .action((accountId: string, amount: NanoUsd, options: HoldBackOptions, command: Command) =>
      runSession(context, command, async (session) => {
        const holdbackId = options.id ?? context.newId('hb')
        const body = { holdbackId, amount, reason: options.reason }
        const holdback = await session.operator
          .holdBackPay({ params: { accountId }, body })
          .catch((error: unknown) => {
            throw withRepeat(error, { what: 'holdback', option: '--id', id: holdbackId })
          })
        show(session, routes.holdBackPay.reply, holdback, () =>
          [
            printable(`${formatMoney(holdback.amount)} of ${holdback.accountId} is held back.`),
            printable(`Release it with: shoal payouts release ${holdback.holdbackId}`),
          ].join('\n'),
        )
      }),
    )

const releaseCommand = (context: CliContext): Command =>
  new Command('release')
    .description('make pay that was held back available again (operators only)')
    .argument('<holdback-id>', 'as `shoal payouts hold-back` named it')
    .action((holdbackId: string, _options: unknown, command: Command) =>
      runSession(context, command, async (session) => {
        const account = await session.operator.releaseHoldback({ params: { holdbackId } })
        show(session, routes.releaseHoldback.reply, account, () =>
          printable(`Released. ${account.accountId} has ${formatMoney(account.available)} available.`),
        )
      }),
    )

const methodText = (method: string): string => (method === 'manual' ? 'hand' : method)

async function ownProviderAccount(session: Session): Promise<string> {
  const { organisationId } = await session.member.getOwnKey()
  return `provider:${organisationId}`
}

const showPayout = (session: Session, payout: Payout): string =>
  showFields(session, [
    ['payout', payout.payoutId],
    ['account', payout.accountId],
    ['amount', formatMoney(payout.amount)],
    ['to', `${payout.destination} (${payout.method})`],
    ['state', payout.state],
    ...(payout.externalReference === null ? [] : [['reference', payout.externalReference] as const]),
    ...(payout.reason === null ? [] : [['reason', payout.reason] as const]),
  ])

const columns: Column<Payout>[] = [
  { title: 'ID', text: (payout) => payout.payoutId },
  { title: 'ASKED (UTC)', text: (payout) => formatTime(payout.requestedAtMs) },
  { title: 'ACCOUNT', text: (payout) => payout.accountId },
  { title: 'AMOUNT', isRight: true, text: (payout) => formatMoney(payout.amount) },
  { title: 'TO', text: (payout) => payout.destination },
  {
    title: 'STATE',
    text: (payout) => payout.state,
    tone: ({ state }) => (state === 'paid' ? 'good' : state === 'refused' ? 'bad' : 'warning'),
  },
  { title: 'REFERENCE', text: (payout) => payout.externalReference ?? payout.reason ?? '' },
]

import { Command } from 'commander'
import type { BudgetAlert, KeyAlert } from '#protocol/budget-alert.ts'
import type { PageQuery } from '#protocol/page.ts'
import { routes } from '#protocol/routes.ts'
import type { CliContext } from './context.ts'
import { formatMoney, formatTime } from './format.ts'
import { pageOfOptions, withPageOptions } from './page-options.ts'
import { runSession, show, showLag, showNext, showTable } from './session.ts'
import type { Column } from './table.ts'

interface ListOptions extends PageQuery {
  readonly all?: boolean
}

/** `shoal alerts`: when keys came close to what they may spend. */
export const alertsCommand = (context: CliContext): Command =>
  withPageOptions(
    new Command('alerts').description('list when keys reached 50, 80 and 100 % of what they may spend'),
    20,
  )
    .option('--all', "every organisation's (operators only)")
    .action((options: ListOptions, command: Command) =>
      runSession(context, command, async (session) => {
        const client = options.all ? session.operator : session.member
        const page = await client.listAlerts({ query: pageOfOptions(options) })
        show(session, routes.listAlerts.reply, page, () => {
          const table = showTable(session, columns, page.items, 'No alerts.')
          return table + showLag(session, page.lagEntries) + showNext(session, page.next)
        })
      }),
    )

/** One alert in a few words. */
export const formatAlert = ({ sharePercent, limit, window, atMs }: KeyAlert): string =>
  `${sharePercent} % of ${formatMoney(limit)}/${window} at ${formatTime(atMs)} UTC`

const columns: Column<BudgetAlert>[] = [
  { title: 'WHEN (UTC)', text: (alert) => formatTime(alert.atMs) },
  { title: 'ORGANISATION', text: (alert) => alert.organisationId },
  { title: 'KEY', text: (alert) => alert.keyId },
  {
    title: 'REACHED',
    isRight: true,
    text: (alert) => `${alert.sharePercent} %`,
    tone: ({ sharePercent }) => (sharePercent >= 100 ? 'bad' : 'warning'),
  },
  { title: 'SPENT', isRight: true, text: (alert) => formatMoney(alert.spent) },
  { title: 'LIMIT', isRight: true, text: (alert) => `${formatMoney(alert.limit)}/${alert.window}` },
]

import { Command, Option } from 'commander'
import type { PageQuery } from '#protocol/page.ts'
import { routes } from '#protocol/routes.ts'
import { Scope } from '#protocol/scope.ts'
import type { ServiceAccount } from '#protocol/service-account.ts'
import type { CliContext } from './context.ts'
import { formatAge } from './format.ts'
import { groupCommand } from './group.ts'
import { pageOfOptions, withPageOptions } from './page-options.ts'
import { runSession, show, showNext, showTable } from './session.ts'
import { type Column, printable } from './table.ts'

/** `shoal service-accounts`: the programs of the organisation. */
export const serviceAccountsCommand = (context: CliContext): Command =>
  groupCommand(
    { name: 'service-accounts', description: 'the programs of the organisation, which hold keys' },
    listCommand(context),
    [createCommand(context), removeCommand(context)],
  )

const listCommand = (context: CliContext): Command =>
  withPageOptions(new Command('list').description("list the organisation's service accounts"), 100).action(
    (_word: undefined, options: PageQuery, command: Command) =>
      runSession(context, command, async (session) => {
        const page = await session.member.listServiceAccounts({ query: pageOfOptions(options) })
        show(session, routes.listServiceAccounts.reply, page, () => {
          const columns = columnsAt(context.clock.nowMs())
          return (
            showTable(session, columns, page.items, 'No service accounts.') + showNext(session, page.next)
          )
        })
      }),
  )

interface CreateOptions {
  readonly scope: readonly Scope[]
  readonly organisation?: string
}

const createCommand = (context: CliContext): Command =>
  new Command('create')
    .description('create a service account; then give it keys with `shoal keys create --service-account`')
    .argument('<name>', 'what it is')
    .addOption(
      new Option('--scope <scope...>', 'the most that its keys may do')
        .choices(Scope.options)
        .default(['developer']),
    )
    .option('--organisation <id>', "another organisation than the key's own (operators only)")
    .action((name: string, { scope, organisation }: CreateOptions, command: Command) =>
      runSession(context, command, async (session) => {
        const of = organisation === undefined ? {} : { organisationId: organisation }
        const account = await session.operator.createServiceAccount({
          body: { name, scopes: [...scope], ...of },
        })
        show(session, routes.createServiceAccount.reply, account, () =>
          printable(`Created ${account.serviceAccountId} (${account.name}): ${account.scopes.join(', ')}.`),
        )
      }),
    )

const removeCommand = (context: CliContext): Command =>
  new Command('remove')
    .description('remove a service account and revoke its keys, at once')
    .argument('<service-account-id>', 'its id, from `shoal service-accounts`')
    .action((serviceAccountId: string, _options: unknown, command: Command) =>
      runSession(context, command, async (session) => {
        const account = await session.operator.removeServiceAccount({ params: { serviceAccountId } })
        show(session, routes.removeServiceAccount.reply, account, () =>
          printable(`${account.name} is removed, and its keys open nothing any more.`),
        )
      }),
    )

const columnsAt = (nowMs: number): Column<ServiceAccount>[] => [
  { title: 'ID', text: (account) => account.serviceAccountId },
  { title: 'NAME', text: (account) => account.name },
  { title: 'SCOPES', text: (account) => account.scopes.join(',') },
  { title: 'CREATED', text: (account) => formatAge(account.createdAtMs, nowMs) },
  {
    title: 'STATE',
    text: (account) => (account.removedAtMs === null ? 'live' : 'removed'),
    tone: (account) => (account.removedAtMs === null ? 'good' : 'dim'),
  },
]

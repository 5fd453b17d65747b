import { Command, Option } from 'commander'
import type { ApiKey } from '#protocol/api-key.ts'
import type { PageQuery } from '#protocol/page.ts'
import { routes } from '#protocol/routes.ts'
import { Scope } from '#protocol/scope.ts'
import type { CliContext } from './context.ts'
import { formatAge } from './format.ts'
import { groupCommand } from './group.ts'
import { pageOfOptions, withPageOptions } from './page-options.ts'
import { runSession, show, showFields, showNext, showTable } from './session.ts'
import { type Column, printable } from './table.ts'

/** `shoal keys`: the organisation's API keys. */
export const keysCommand = (context: CliContext): Command =>
  groupCommand({ name: 'keys', description: 'list, create and revoke API keys' }, listCommand(context), [
    createCommand(context),
    revokeCommand(context),
  ])

const listCommand = (context: CliContext): Command =>
  withPageOptions(new Command('list').description("list the organisation's keys"), 100).action(
    (_word: undefined, options: PageQuery, command: Command) =>
      runSession(context, command, async (session) => {
        const page = await session.member.listKeys({ query: pageOfOptions(options) })
        show(session, routes.listKeys.reply, page, () => {
          const table = showTable(session, columnsAt(context.clock.nowMs()), page.items, 'No keys.')
          return table + showNext(session, page.next)
        })
      }),
  )

interface CreateOptions {
  readonly scope: readonly Scope[]
  readonly organisation?: string
}

const createCommand = (context: CliContext): Command =>
  new Command('create')
    .description('create a key and show it, once')
    .argument('<name>', 'what it is for')
    .addOption(
      new Option('--scope <scope...>', 'what it may do').choices(Scope.options).default(['developer']),
    )
    .option('--organisation <id>', "another organisation than the key's own (operators only)")
    .action((name: string, { scope, organisation }: CreateOptions, command: Command) =>
      runSession(context, command, async (session) => {
        const body = {
          name,
          scopes: [...scope],
          ...(organisation !== undefined && { organisationId: organisation }),
        }
        const created = await session.operator.createKey({ body })
        show(session, routes.createKey.reply, created, () =>
          [
            showFields(session, [
              ['key', created.key],
              ['id', created.keyId],
              ['organisation', created.organisationId],
              ['scopes', created.scopes.join(', ')],
            ]),
            session.style('warning', 'Keep the key now: it is not shown again.'),
          ].join('\n'),
        )
      }),
    )

const revokeCommand = (context: CliContext): Command =>
  new Command('revoke')
    .description('revoke a key, at once and for good')
    .argument('<key-id>', 'its id, from `shoal keys`')
    .action((keyId: string, _options: unknown, command: Command) =>
      runSession(context, command, async (session) => {
        const key = await session.operator.revokeKey({ params: { keyId } })
        show(session, routes.revokeKey.reply, key, () => printable(`Revoked ${key.keyId} (${key.name}).`))
      }),
    )

const columnsAt = (nowMs: number): Column<ApiKey>[] => [
  { title: 'ID', text: (key) => key.keyId },
  { title: 'NAME', text: (key) => key.name },
  { title: 'KEY', text: (key) => key.hint },
  { title: 'SCOPES', text: (key) => key.scopes.join(',') },
  { title: 'CREATED', text: (key) => formatAge(key.createdAtMs, nowMs) },
  {
    title: 'STATE',
    text: (key) => (key.revokedAtMs === null ? 'live' : `revoked ${formatAge(key.revokedAtMs, nowMs)}`),
    tone: (key) => (key.revokedAtMs === null ? 'good' : 'dim'),
  },
]

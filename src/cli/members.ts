import { Command, Option } from 'commander'
import type { Member } from '#protocol/member.ts'
import type { PageQuery } from '#protocol/page.ts'
import { routes } from '#protocol/routes.ts'
import { Scope } from '#protocol/scope.ts'
import { duration } from './arguments.ts'
import type { CliContext } from './context.ts'
import { formatAge, formatTime } from './format.ts'
import { groupCommand } from './group.ts'
import { showCreated } from './keys.ts'
import { pageOfOptions, withPageOptions } from './page-options.ts'
import { runSession, show, showFields, showNext, showTable } from './session.ts'
import { type Column, printable } from './table.ts'

/** `shoal members`: the people of the organisation. */
export const membersCommand = (context: CliContext): Command =>
  groupCommand(
    { name: 'members', description: 'the people of the organisation: invite, scope and remove' },
    listCommand(context),
    [inviteCommand(context), acceptCommand(context), scopeCommand(context), removeCommand(context)],
  )

const MEMBER_ARGUMENT = 'their id, from `shoal members`'

const listCommand = (context: CliContext): Command =>
  withPageOptions(new Command('list').description("list the organisation's members"), 100).action(
    (_word: undefined, options: PageQuery, command: Command) =>
      runSession(context, command, async (session) => {
        const page = await session.member.listMembers({ query: pageOfOptions(options) })
        show(session, routes.listMembers.reply, page, () => {
          const empty = 'No members. Invite one with `shoal members invite`.'
          const table = showTable(session, columnsAt(context.clock.nowMs()), page.items, empty)
          return table + showNext(session, page.next)
        })
      }),
  )

interface InviteOptions {
  readonly scope: readonly Scope[]
  readonly organisation?: string
  readonly expiresIn?: number
}

const inviteCommand = (context: CliContext): Command =>
  new Command('invite')
    .description('invite a person, and show the invitation, once')
    .argument('<name>', 'their name')
    .argument('<email>', 'their address, for you to know: nothing is sent')
    .addOption(
      new Option('--scope <scope...>', 'the most that their keys may do')
        .choices(Scope.options)
        .default(['developer']),
    )
    .option('--organisation <id>', "another organisation than the key's own (operators only)")
    .option('--expires-in <duration>', 'how long it can be accepted (default: 7d)', duration)
    .action((name: string, email: string, options: InviteOptions, command: Command) =>
      runSession(context, command, async (session) => {
        const { scope, organisation, expiresIn } = options
        const body = {
          name,
          email,
          scopes: [...scope],
          ...(organisation !== undefined && { organisationId: organisation }),
          ...(expiresIn !== undefined && { expiresInMs: expiresIn }),
        }
        const invited = await session.operator.inviteMember({ body })
        show(session, routes.inviteMember.reply, invited, () =>
          [
            showFields(session, [
              ['invitation', invited.invitation],
              ['member', invited.memberId],
              ['good until', `${formatTime(invited.expiresAtMs)} UTC, once`],
            ]),
            'Give it to them alone. They accept with:',
            `  shoal members accept ${invited.invitation} --url ${session.connection.apiUrl}`,
          ].join('\n'),
        )
      }),
    )

const acceptCommand = (context: CliContext): Command =>
  new Command('accept')
    .description('accept an invitation and show your first key, once')
    .argument('<invitation>', 'as you were given it')
    .action((invitation: string, _options: unknown, command: Command) =>
      runSession(context, command, async (session) => {
        const accepted = await session.anyone.acceptInvitation({ body: { invitation } })
        show(session, routes.acceptInvitation.reply, accepted, () =>
          [printable(`Welcome, ${accepted.member.name}.`), showCreated(session, accepted.key)].join('\n'),
        )
      }),
    )

const scopeCommand = (context: CliContext): Command =>
  new Command('scope')
    .description('give a member other scopes; their keys that may do more are revoked')
    .argument('<member-id>', MEMBER_ARGUMENT)
    .addOption(
      new Option('--scope <scope...>', 'the most that their keys may do')
        .choices(Scope.options)
        .makeOptionMandatory(),
    )
    .action((memberId: string, { scope }: { scope: readonly Scope[] }, command: Command) =>
      runSession(context, command, async (session) => {
        const body = { scopes: [...scope] }
        const member = await session.operator.changeMemberScopes({ params: { memberId }, body })
        show(session, routes.changeMemberScopes.reply, member, () =>
          printable(`${member.name} may: ${member.scopes.join(', ')}.`),
        )
      }),
    )

const removeCommand = (context: CliContext): Command =>
  new Command('remove')
    .description('remove a member and revoke their keys, at once')
    .argument('<member-id>', MEMBER_ARGUMENT)
    .action((memberId: string, _options: unknown, command: Command) =>
      runSession(context, command, async (session) => {
        const member = await session.operator.removeMember({ params: { memberId } })
        show(session, routes.removeMember.reply, member, () =>
          printable(`${member.name} is removed, and their keys open nothing any more.`),
        )
      }),
    )

const columnsAt = (nowMs: number): Column<Member>[] => [
  { title: 'ID', text: (member) => member.memberId },
  { title: 'NAME', text: (member) => member.name },
  { title: 'EMAIL', text: (member) => member.email },
  { title: 'SCOPES', text: (member) => member.scopes.join(',') },
  { title: 'INVITED', text: (member) => formatAge(member.invitedAtMs, nowMs) },
  {
    title: 'STATE',
    text: (member) => member.status,
    tone: ({ status }) => (status === 'accepted' ? 'good' : status === 'invited' ? 'warning' : 'dim'),
  },
]

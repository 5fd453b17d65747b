import { Command, Option } from 'commander'
import type { ApiKey, CreatedApiKey } from '#protocol/api-key.ts'
import type { PageQuery } from '#protocol/page.ts'
import { Problem } from '#protocol/problem.ts'
import { routes } from '#protocol/routes.ts'
import { Scope } from '#protocol/scope.ts'
import { SlaClass } from '#protocol/sla.ts'
import { formatAlert } from './alerts.ts'
import { duration } from './arguments.ts'
import type { CliContext } from './context.ts'
import { formatAge, formatCount, formatMoney, formatTime } from './format.ts'
import { groupCommand } from './group.ts'
import { formatLimits, type LimitOptions, limitsOf, withLimitOptions } from './key-limit-options.ts'
import { pageOfOptions, withPageOptions } from './page-options.ts'
import { runSession, type Session, show, showFields, showNext, showTable } from './session.ts'
import { type Column, printable } from './table.ts'

/** `shoal keys`: the organisation's API keys. */
export const keysCommand = (context: CliContext): Command =>
  groupCommand(
    { name: 'keys', description: 'list, create, limit, rotate and revoke API keys' },
    listCommand(context),
    [
      createCommand(context),
      showCommand(context),
      limitCommand(context),
      rotateCommand(context),
      revokeCommand(context),
    ],
  )

const KEY_ARGUMENT = 'its id, from `shoal keys`'

const listCommand = (context: CliContext): Command =>
  withPageOptions(new Command('list').description("list the organisation's keys"), 100)
    .option('--project <id>', "only this project's")
    .action((_word: undefined, options: PageQuery & { project?: string }, command: Command) =>
      runSession(context, command, async (session) => {
        const { project } = options
        const query = { ...pageOfOptions(options), ...(project !== undefined && { projectId: project }) }
        const page = await session.member.listKeys({ query })
        show(session, routes.listKeys.reply, page, () => {
          const table = showTable(session, columnsAt(context.clock.nowMs()), page.items, 'No keys.')
          return table + showNext(session, page.next)
        })
      }),
    )

interface CreateOptions extends LimitOptions {
  readonly scope: readonly Scope[]
  readonly organisation?: string
  readonly project?: string
  readonly member?: string
  readonly serviceAccount?: string
  readonly expiresIn?: number
  readonly sla?: SlaClass
}

const createCommand = (context: CliContext): Command =>
  withLimitOptions(
    new Command('create')
      .description('create a key and show it, once')
      .argument('<name>', 'what it is for')
      .addOption(
        new Option('--scope <scope...>', 'what it may do').choices(Scope.options).default(['developer']),
      )
      .option('--organisation <id>', "another organisation than the key's own (operators only)")
      .option('--project <id>', 'what its usage is counted for (default: the default project)')
      .option('--member <id>', 'the person who holds it')
      .option('--service-account <id>', 'the program that holds it')
      .option('--expires-in <duration>', 'it ends by itself, as after 90d', duration)
      .addOption(
        new Option(
          '--sla <class>',
          'what its requests are promised (default: all that the organisation is)',
        ).choices(SlaClass.options),
      ),
  ).action((name: string, options: CreateOptions, command: Command) =>
    runSession(context, command, async (session) => {
      const { scope, organisation, project, expiresIn, sla } = options
      const holder = holderOf(options)
      const body = {
        name,
        scopes: [...scope],
        ...(organisation !== undefined && { organisationId: organisation }),
        ...(project !== undefined && { projectId: project }),
        ...(holder && { holder }),
        ...(expiresIn !== undefined && { expiresInMs: expiresIn }),
        limits: limitsOf(options),
        ...(sla !== undefined && { slaClass: sla }),
      }
      const created = await session.operator.createKey({ body })
      show(session, routes.createKey.reply, created, () => showCreated(session, created))
    }),
  )

function holderOf({ member, serviceAccount }: CreateOptions) {
  if (member !== undefined && serviceAccount !== undefined) {
    throw new Problem('invalid_request', 'A key has one holder: give --member or --service-account.')
  }
  if (member !== undefined) return { kind: 'member', id: member } as const
  return serviceAccount === undefined ? undefined : ({ kind: 'service_account', id: serviceAccount } as const)
}

/** A key that is seen this once. */
export const showCreated = (session: Session, created: CreatedApiKey): string =>
  [
    showFields(session, [
      ['key', created.key],
      ['id', created.keyId],
      ['organisation', created.organisationId],
      ['project', created.projectId],
      ['scopes', created.scopes.join(', ')],
      ['limits', formatLimits(created.limits)],
      ...(created.slaClass ? [['sla', created.slaClass] as const] : []),
      ['expires', created.expiresAtMs === null ? 'never' : `${formatTime(created.expiresAtMs)} UTC`],
    ]),
    session.style('warning', 'Keep the key now: it is not shown again.'),
  ].join('\n')

const showCommand = (context: CliContext): Command =>
  new Command('show')
    .description('show one key: its limits, and what was used of them')
    .argument('[key-id]', `${KEY_ARGUMENT} (default: the calling key)`)
    .action((keyId: string | undefined, _options: unknown, command: Command) =>
      runSession(context, command, async (session) => {
        const key =
          keyId === undefined
            ? await session.member.getOwnKey()
            : await session.operator.getKey({ params: { keyId } })
        show(session, routes.getKey.reply, key, () =>
          showFields(session, [
            ['id', key.keyId],
            ['name', key.name],
            ['organisation', key.organisationId],
            ['project', key.projectId],
            ['held by', key.memberId ?? key.serviceAccountId ?? 'the organisation'],
            ['scopes', key.scopes.join(', ')],
            ['state', formatState(key, context.clock.nowMs())],
            ['limits', formatLimits(key.limits)],
            ...(key.slaClass ? [['sla', key.slaClass] as const] : []),
            ['used today', `${formatCount(key.use.tokens)} tokens, ${formatMoney(key.use.spend)}`],
            ['used this month', formatMoney(key.use.monthSpend)],
            ...(key.lastAlert ? [['last alert', formatAlert(key.lastAlert)] as const] : []),
          ]),
        )
      }),
    )

const limitCommand = (context: CliContext): Command =>
  withLimitOptions(
    new Command('limit')
      .description('give a key other limits in place of those it has; none without options')
      .argument('<key-id>', KEY_ARGUMENT),
  ).action((keyId: string, options: LimitOptions, command: Command) =>
    runSession(context, command, async (session) => {
      const body = { limits: limitsOf(options) }
      const key = await session.operator.changeKeyLimits({ params: { keyId }, body })
      show(session, routes.changeKeyLimits.reply, key, () =>
        printable(`${key.keyId} (${key.name}) is limited to: ${formatLimits(key.limits)}`),
      )
    }),
  )

interface RotateOptions {
  readonly overlap?: number
  readonly now?: boolean
  readonly expiresIn?: number
}

const rotateCommand = (context: CliContext): Command =>
  new Command('rotate')
    .description("make a key that takes another's place, and show it, once")
    .argument('<key-id>', KEY_ARGUMENT)
    .addOption(
      new Option('--overlap <duration>', 'how long the old key stays good (default: 1d)').argParser(duration),
    )
    .addOption(new Option('--now', 'the old key ends at once').conflicts('overlap'))
    .option('--expires-in <duration>', "the new key's life (default: as long as the old one's)", duration)
    .action((keyId: string, { overlap, now, expiresIn }: RotateOptions, command: Command) =>
      runSession(context, command, async (session) => {
        const overlapMs = now ? 0 : overlap
        const body = {
          ...(overlapMs !== undefined && { overlapMs }),
          ...(expiresIn !== undefined && { expiresInMs: expiresIn }),
        }
        const created = await session.operator.rotateKey({ params: { keyId }, body })
        show(session, routes.rotateKey.reply, created, () => showCreated(session, created))
      }),
    )

const revokeCommand = (context: CliContext): Command =>
  new Command('revoke')
    .description('revoke a key, at once and for good')
    .argument('<key-id>', KEY_ARGUMENT)
    .action((keyId: string, _options: unknown, command: Command) =>
      runSession(context, command, async (session) => {
        const key = await session.operator.revokeKey({ params: { keyId } })
        show(session, routes.revokeKey.reply, key, () => printable(`Revoked ${key.keyId} (${key.name}).`))
      }),
    )

function formatState({ state, revokedAtMs, expiresAtMs }: ApiKey, nowMs: number): string {
  if (state === 'revoked') return revokedAtMs === null ? state : `revoked ${formatAge(revokedAtMs, nowMs)}`
  if (expiresAtMs === null) return state
  return state === 'expired'
    ? `expired ${formatAge(expiresAtMs, nowMs)}`
    : `live until ${formatTime(expiresAtMs)}`
}

const columnsAt = (nowMs: number): Column<ApiKey>[] => [
  { title: 'ID', text: (key) => key.keyId },
  { title: 'NAME', text: (key) => key.name },
  { title: 'KEY', text: (key) => key.hint },
  { title: 'SCOPES', text: (key) => key.scopes.join(',') },
  { title: 'LIMITS', text: (key) => formatLimits(key.limits) },
  { title: 'CREATED', text: (key) => formatAge(key.createdAtMs, nowMs) },
  {
    title: 'STATE',
    text: (key) => formatState(key, nowMs),
    tone: (key) => (key.state === 'live' ? 'good' : 'dim'),
  },
]

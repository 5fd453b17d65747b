import { Argument, Command, Option } from 'commander'
import type { Client } from '#protocol/client.ts'
import { ENROLMENT_TOKEN_TTL_MS_DEFAULT } from '#protocol/enrolment.ts'
import type { Node } from '#protocol/node.ts'
import { NodeClass } from '#protocol/node-class.ts'
import type { PageQuery } from '#protocol/page.ts'
import { routes } from '#protocol/routes.ts'
import { duration } from './arguments.ts'
import type { CliContext } from './context.ts'
import { formatAge, formatMoney, formatSpeed, formatTime } from './format.ts'
import { groupCommand } from './group.ts'
import { auditsCommand, liftCommand } from './node-audits.ts'
import { nodeFields } from './node-fields.ts'
import { pageOfOptions, withPageOptions } from './page-options.ts'
import { runSession, show, showFields, showNext, showTable } from './session.ts'
import type { Tone } from './style.ts'
import { type Column, printable } from './table.ts'

/** `shoal nodes`: the machines that do the work. */
export const nodesCommand = (context: CliContext): Command =>
  groupCommand({ name: 'nodes', description: 'list, inspect and manage nodes' }, listCommand(context), [
    showCommand(context),
    auditsCommand(context),
    liftCommand(context),
    changeCommand(context, {
      name: 'drain',
      description: 'give a node no new work; what it has under way ends in peace',
      change: (client, nodeId) => client.drainNode({ params: { nodeId } }),
      done: (node) => `${node.name} is drained: it gets no new work.`,
    }),
    changeCommand(context, {
      name: 'undrain',
      description: 'give a drained node work again',
      change: (client, nodeId) => client.undrainNode({ params: { nodeId } }),
      done: (node) => `${node.name} gets work again.`,
    }),
    banCommand(context),
    changeCommand(context, {
      name: 'unban',
      description: 'let a banned node come back (operators only)',
      change: (client, nodeId) => client.unbanNode({ params: { nodeId } }),
      done: (node) => `${node.name} may come back.`,
    }),
    releaseCommand(context),
    classCommand(context),
    tokenCommand(context),
  ])

const NODE_ARGUMENT = 'its id, from `shoal nodes`'

const listCommand = (context: CliContext): Command =>
  withPageOptions(
    new Command('list').description("list the organisation's nodes; for an operator, all nodes"),
    100,
  ).action((_word: undefined, options: PageQuery, command: Command) =>
    runSession(context, command, async (session) => {
      const page = await session.operator.listNodes({ query: pageOfOptions(options) })
      show(session, routes.listNodes.reply, page, () => {
        const empty = 'No nodes. Make a token with `shoal nodes token`, then `shoal provide` on the machine.'
        const table = showTable(session, columnsAt(context.clock.nowMs()), page.items, empty)
        return table + showNext(session, page.next)
      })
    }),
  )

const showCommand = (context: CliContext): Command =>
  new Command('show')
    .description('show one node: its state, hardware, models and prices')
    .argument('<node-id>', NODE_ARGUMENT)
    .action((nodeId: string, _options: unknown, command: Command) =>
      runSession(context, command, async (session) => {
        const node = await session.operator.getNode({ params: { nodeId } })
        show(session, routes.getNode.reply, node, () => {
          const fields = showFields(session, nodeFields(node, context.clock.nowMs()))
          return node.models.length === 0
            ? fields
            : `${fields}\n\n${showTable(session, modelColumns, node.models, '')}`
        })
      }),
    )

interface Change {
  readonly name: 'drain' | 'undrain' | 'unban'
  readonly description: string
  readonly change: (client: Client, nodeId: string) => Promise<Node>
  readonly done: (node: Node) => string
}

const changeCommand = (context: CliContext, { name, description, change, done }: Change): Command =>
  new Command(name)
    .description(description)
    .argument('<node-id>', NODE_ARGUMENT)
    .action((nodeId: string, _options: unknown, command: Command) =>
      runSession(context, command, async (session) => {
        const node = await change(session.operator, nodeId)
        show(session, routes.getNode.reply, node, () => printable(done(node)))
      }),
    )

const releaseCommand = (context: CliContext): Command =>
  new Command('release')
    .description('let a node out of quarantine (operators only)')
    .argument('<node-id>', NODE_ARGUMENT)
    .action((nodeId: string, _options: unknown, command: Command) =>
      runSession(context, command, async (session) => {
        const params = { nodeId }
        const { hardware } = await session.operator.getNode({ params })
        const node = await session.operator.releaseNode({ params })
        show(session, routes.releaseNode.reply, node, () =>
          printable(
            hardware?.quarantine
              ? `${node.name} is out of quarantine; it gets work once it has proven its hardware.`
              : `${node.name} is not in quarantine: nothing is changed.`,
          ),
        )
      }),
    )

const banCommand = (context: CliContext): Command =>
  new Command('ban')
    .description('shut a node out of the network (operators only)')
    .argument('<node-id>', NODE_ARGUMENT)
    .requiredOption('--reason <text>', 'why, for its owner to read')
    .action((nodeId: string, { reason }: { reason: string }, command: Command) =>
      runSession(context, command, async (session) => {
        const node = await session.operator.banNode({ params: { nodeId }, body: { reason } })
        show(session, routes.banNode.reply, node, () =>
          printable(`${node.name} is banned: ${node.bannedReason}`),
        )
      }),
    )

const classCommand = (context: CliContext): Command =>
  new Command('class')
    .description('say how far a node is trusted (operators only); callers may ask for a class at least')
    .argument('<node-id>', NODE_ARGUMENT)
    .addArgument(new Argument('<class>', 'its class from now on').choices(NodeClass.options))
    .action((nodeId: string, nodeClass: NodeClass, _options: unknown, command: Command) =>
      runSession(context, command, async (session) => {
        const node = await session.operator.classNode({ params: { nodeId }, body: { nodeClass } })
        show(session, routes.classNode.reply, node, () =>
          printable(`${node.name} is of class ${node.nodeClass} now.`),
        )
      }),
    )

const tokenCommand = (context: CliContext): Command =>
  new Command('token')
    .description('make a token that enrols one machine as a node')
    .addOption(
      new Option('--expires-in <duration>', 'how long it can be used: 90s, 15m, 2h, 7d')
        .argParser(duration)
        .default(ENROLMENT_TOKEN_TTL_MS_DEFAULT, '1h'),
    )
    .action(({ expiresIn }: { expiresIn: number }, command: Command) =>
      runSession(context, command, async (session) => {
        const token = await session.operator.createEnrolmentToken({ body: { expiresInMs: expiresIn } })
        show(session, routes.createEnrolmentToken.reply, token, () =>
          [
            showFields(session, [
              ['token', token.token],
              ['good until', `${formatTime(token.expiresAtMs)} UTC, for one machine`],
            ]),
            session.style('dim', 'On that machine:'),
            `  shoal provide --join ${token.joinUrl} --token ${token.token}`,
          ].join('\n'),
        )
      }),
    )

/** What a node is to somebody who wants work done, in one word. */
function stateOf(node: Node): { word: string; tone: Tone } {
  if (node.bannedReason !== null) return { word: 'banned', tone: 'bad' }
  if (node.presence === 'online') {
    return node.isDrained ? { word: 'drained', tone: 'warning' } : { word: 'online', tone: 'good' }
  }
  return { word: node.presence, tone: node.presence === 'suspect' ? 'warning' : 'dim' }
}

const columnsAt = (nowMs: number): Column<Node>[] => [
  { title: 'ID', text: (node) => node.nodeId },
  { title: 'NAME', text: (node) => node.name },
  { title: 'STATE', text: (node) => stateOf(node).word, tone: (node) => stateOf(node).tone },
  { title: 'SINCE', text: (node) => formatAge(node.presenceSinceMs, nowMs) },
  { title: 'HARDWARE', text: hardwareOf },
  { title: 'MODELS', text: (node) => node.models.map(({ model }) => model).join(', ') || '–' },
  { title: 'ASK/GPU-HOUR', isRight: true, text: (node) => formatMoney(node.askPerGpuHour) },
]

/** Its GPUs, or its CPU where it has none. */
function hardwareOf({ capability }: Node): string {
  if (!capability) return '–'
  const names = [...new Set(capability.gpus.map((gpu) => gpu.name))]
  if (names.length === 0) return `CPU, ${capability.cpu.cores} cores`
  return names
    .map((name) => `${capability.gpus.filter((gpu) => gpu.name === name).length}× ${name}`)
    .join(', ')
}

const modelColumns: Column<Node['models'][number]>[] = [
  { title: 'MODEL', text: ({ model }) => model },
  { title: 'TOKENS/S', isRight: true, text: ({ tokensPerSecond }) => formatSpeed(tokensPerSecond) },
  { title: 'PROMPT/1M', isRight: true, text: ({ promptPerMillion }) => formatMoney(promptPerMillion) },
  {
    title: 'COMPLETION/1M',
    isRight: true,
    text: ({ completionPerMillion }) => formatMoney(completionPerMillion),
  },
]

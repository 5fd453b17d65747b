import { Command } from 'commander'
import { formatDuration } from '#kernel/time.ts'
import type { CatalogueModel } from '#protocol/model-catalogue.ts'
import type { PageQuery } from '#protocol/page.ts'
import { routes } from '#protocol/routes.ts'
import type { CliContext } from './context.ts'
import { formatMoney, formatSpeed } from './format.ts'
import { groupCommand } from './group.ts'
import {
  type AddOptions,
  type SetOptions,
  settingsOf,
  sourceOf,
  withSettings,
  withSource,
} from './model-options.ts'
import { pageOfOptions, withPageOptions } from './page-options.ts'
import { runSession, type Session, show, showFields, showNext, showTable } from './session.ts'
import type { Tone } from './style.ts'
import { type Column, printable } from './table.ts'

/** `shoal models`: what the network is to serve. */
export const modelsCommand = (context: CliContext): Command =>
  groupCommand(
    { name: 'models', description: 'list, add and change the models that the network places on its nodes' },
    listCommand(context),
    [showCommand(context), addCommand(context), setCommand(context), removeCommand(context)],
  )

const NAME_ARGUMENT = 'the name by which callers ask for it'
const EMPTY =
  'The catalogue is empty. What nodes serve on their own, `shoal status` shows. Add a model with `shoal models add NAME --gguf FILE`, and let nodes take it: `shoal provide --models auto`.'

const listCommand = (context: CliContext): Command =>
  withPageOptions(
    new Command('list').description('list the models: price, replicas, nodes, speed and demand'),
    100,
  ).action((_word: undefined, options: PageQuery, command: Command) =>
    runSession(context, command, async (session) => {
      const page = await session.operator.listCatalogue({ query: pageOfOptions(options) })
      show(session, routes.listCatalogue.reply, page, () => {
        const table = showTable(session, columns, page.items, EMPTY)
        return (
          table +
          page.items.map((model) => shortageLine(session, model)).join('') +
          showNext(session, page.next)
        )
      })
    }),
  )

const showCommand = (context: CliContext): Command =>
  new Command('show')
    .description('show one model, and each node that has it or is to get it')
    .argument('<name>', NAME_ARGUMENT)
    .action((model: string, _options: unknown, command: Command) =>
      runSession(context, command, async (session) => {
        const found = await session.operator.getCatalogueModel({ params: { model } })
        show(session, routes.getCatalogueModel.reply, found, () => describe(session, found))
      }),
    )

const addCommand = (context: CliContext): Command =>
  withSettings(
    withSource(
      new Command('add').description('add a model (operators only)').argument('<name>', NAME_ARGUMENT),
    ),
  ).action((name: string, options: AddOptions, command: Command) =>
    runSession(context, command, async (session) => {
      const source = await sourceOf(context, options)
      const added = await session.operator.addModel({ body: { name, source, ...settingsOf(options) } })
      show(session, routes.addModel.reply, added, () => describe(session, added))
    }),
  )

const setCommand = (context: CliContext): Command =>
  withSettings(
    new Command('set')
      .description('change what is given of a model (operators only)')
      .argument('<name>', NAME_ARGUMENT),
  ).action((model: string, options: SetOptions, command: Command) =>
    runSession(context, command, async (session) => {
      const changed = await session.operator.changeModel({ params: { model }, body: settingsOf(options) })
      show(session, routes.changeModel.reply, changed, () => describe(session, changed))
    }),
  )

const removeCommand = (context: CliContext): Command =>
  new Command('remove')
    .description('remove a model: what runs may end, then nodes unload it (operators only)')
    .argument('<name>', NAME_ARGUMENT)
    .action((model: string, _options: unknown, command: Command) =>
      runSession(context, command, async (session) => {
        const removed = await session.operator.removeModel({ params: { model } })
        show(session, routes.removeModel.reply, removed, () => printable(`${removed.name} is removed.`))
      }),
    )

const columns: Column<CatalogueModel>[] = [
  { title: 'MODEL', text: ({ name }) => name },
  { title: 'REPLICAS', text: ({ replicas }) => replicasText(replicas), tone: toneOf },
  { title: 'WANTED', text: ({ replicas: { wanted, min, max } }) => `${wanted} of ${min} to ${max}` },
  { title: 'NODES', text: ({ nodes }) => nodes.map((node) => node.name ?? 'another').join(', ') || '–' },
  { title: 'TOKENS/S', isRight: true, text: ({ nodes }) => speedText(nodes) },
  { title: 'INPUT/1M', isRight: true, text: ({ price }) => (price ? formatMoney(price.input) : 'as asked') },
  {
    title: 'OUTPUT/1M',
    isRight: true,
    text: ({ price }) => (price ? formatMoney(price.output) : 'as asked'),
  },
  { title: 'REQUESTS/MIN', isRight: true, text: ({ demand }) => demand.requestsPerMinute.toFixed(1) },
  { title: 'WAITING', isRight: true, text: ({ demand }) => String(demand.queued) },
]

const replicasText = ({ ready, loading }: CatalogueModel['replicas']): string =>
  loading > 0 ? `${ready} ready, ${loading} loading` : `${ready} ready`

function toneOf({ replicas: { ready, wanted } }: CatalogueModel): Tone {
  return ready >= wanted ? 'good' : ready > 0 ? 'warning' : 'bad'
}

function speedText(nodes: CatalogueModel['nodes']): string {
  const sum = nodes.reduce((total, { tokensPerSecond }) => total + (tokensPerSecond ?? 0), 0)
  return sum === 0 ? '–' : formatSpeed(sum)
}

const shortageLine = (session: Session, { name, shortage }: CatalogueModel): string =>
  shortage === null ? '' : `\n${session.style('dim', printable(`${name}: ${shortage}`))}`

function describe(session: Session, model: CatalogueModel): string {
  const { replicas, demand, shortage, nodes } = model
  const fields = showFields(session, [
    ['model', model.name],
    ['from', sourceText(model.source)],
    ['price', priceText(model.price, 'as nodes ask')],
    ...(model.priceMax ? [['at most', priceText(model.priceMax, '')] as const] : []),
    [
      'replicas',
      `${replicasText(replicas)}; ${replicas.wanted} wanted, of ${replicas.min} to ${replicas.max}`,
    ],
    ['class', `${model.minClass} or better`],
    ['context', `${model.contextTokens} tokens, ${model.slots} requests at once`],
    ['memory', model.needMib === null ? 'known once a node has read the file' : `${model.needMib} MiB`],
    [
      'demand',
      `${demand.requestsPerMinute.toFixed(1)} requests/min, ${demand.running} running, ${demand.queued} waiting`,
    ],
    ...(shortage === null ? [] : [['short', shortage] as const]),
  ])
  return nodes.length === 0 ? fields : `${fields}\n\n${showTable(session, nodeColumns, nodes, '')}`
}

const nodeColumns: Column<CatalogueModel['nodes'][number]>[] = [
  { title: 'NODE', text: ({ name }) => name ?? 'of another organisation' },
  { title: 'STAGE', text: ({ stage }) => stage },
  {
    title: 'READY IN',
    text: ({ etaMs, stage }) => (etaMs === null || stage === 'ready' ? '–' : formatDuration(etaMs)),
  },
  {
    title: 'TOKENS/S',
    isRight: true,
    text: ({ tokensPerSecond: speed }) => (speed === null ? '–' : formatSpeed(speed)),
  },
  { title: 'CHOSEN BY', text: ({ isPlaced }) => (isPlaced ? 'the network' : 'its owner') },
  { title: 'PROBLEM', text: ({ problem }) => problem ?? '' },
]

function sourceText(source: CatalogueModel['source']): string {
  switch (source.kind) {
    case 'file':
      return source.path
    case 'url':
      return source.url
    case 'hub':
      return `hf:${source.repository}${source.file === undefined ? '' : `:${source.file}`}`
    case 'upstream':
      return `${source.baseUrl}${source.model === undefined ? '' : ` (${source.model})`}`
  }
}

const priceText = (price: CatalogueModel['price'], without: string): string =>
  price
    ? `${formatMoney(price.input)} input, ${formatMoney(price.cached)} cached, ${formatMoney(price.output)} output, a million tokens`
    : without

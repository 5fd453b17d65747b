/** What `shoal top` shows, as lines of text: of a size, in a view, sorted and scrolled as its user wants. */
import { formatDuration } from '#kernel/time.ts'
import type { LiveNetwork } from '#protocol/live.ts'
import { formatNoun, formatTime } from './format.ts'
import type { Style } from './style.ts'
import { printable } from './table.ts'
import {
  formatMs,
  formatRate,
  modelColumns,
  nodeColumns,
  recentColumns,
  streamColumns,
} from './top-columns.ts'
import { clip, sortRows, type TopColumn, topTable, widthOf } from './top-table.ts'

export const VIEWS = ['overview', 'nodes', 'requests'] as const
export type TopViewName = (typeof VIEWS)[number]

export interface TopState {
  readonly view: TopViewName
  /** The title of a column, for each view. */
  readonly sortBy: Readonly<Record<TopViewName, string | null>>
  readonly isReversed: boolean
  /** Rows above the first that is shown. */
  readonly offset: number
}

export const FIRST_STATE: TopState = {
  view: 'overview',
  sortBy: { overview: 'TOK/S', nodes: 'TOK/S', requests: null },
  isReversed: false,
  offset: 0,
}

export interface TopPage {
  readonly width: number
  /** Lines in all; null: as many as it takes. */
  readonly height: number | null
  readonly style: Style
}

/** The columns that a view may be sorted by, in the order in which `s` goes through them. */
export function sortable(view: TopViewName): readonly string[] {
  const columns: readonly TopColumn<never>[] =
    view === 'overview' ? modelColumns : view === 'nodes' ? nodeColumns : recentColumns(0)
  return columns.flatMap(({ title, order }) => (order ? [title] : []))
}

/** How far the current view can be scrolled. */
export function offsetMax(live: LiveNetwork, { view }: TopState): number {
  const rows =
    view === 'overview'
      ? live.models.length
      : view === 'nodes'
        ? live.nodes.length
        : live.streams.length + live.recent.length
  return Math.max(0, rows - 1)
}

/** `speeds`: tokens per second, oldest first. `problem`: why nothing newer is known. */
export function topFrame(
  live: LiveNetwork,
  state: TopState,
  page: TopPage,
  more: { readonly speeds?: readonly number[]; readonly problem?: string | null } = {},
): string[] {
  const { style, width, height } = page
  const head = [
    ...headLines(live, page, more.speeds ?? []),
    ...(more.problem ? [style('bad', clip(printable(more.problem), width))] : []),
    tabLine(state, page),
    '',
  ]
  const foot = height === null ? [] : [keyLine(state, page)]
  const roomMax = height === null ? null : Math.max(0, height - head.length - foot.length)
  const body = bodyLines(live, state, page, roomMax)
  const shown = roomMax === null ? body : body.slice(0, roomMax)
  const padding = roomMax === null ? [] : Array.from({ length: roomMax - shown.length }, () => '')
  const lines = [...head, ...shown, ...padding, ...foot]
  return height === null ? lines : lines.slice(0, height)
}

/** Everything, one table below the other, for people who look once. */
export function topPage(live: LiveNetwork, page: Omit<TopPage, 'height'>): string {
  const tables = [
    ...section('MODELS', modelColumns, live.models, page),
    ...section('NODES', nodeColumns, live.nodes, page),
    ...section('OPEN REQUESTS', streamColumns, live.streams, page),
    ...section('NEWEST REQUESTS', recentColumns(live.nowMs), live.recent.slice(0, ONCE_RECENT_MAX), page),
  ]
  return [...headLines(live, page, []), ...tables].map((line) => line.trimEnd()).join('\n')
}

const ONCE_RECENT_MAX = 20

function section<Row>(
  title: string,
  columns: readonly TopColumn<Row>[],
  rows: readonly Row[],
  page: Omit<TopPage, 'height'>,
): string[] {
  if (rows.length === 0) return ['', page.style('dim', `${title}: none`)]
  const table = topTable(columns, rows, page)
  return ['', page.style('bold', title), table.head, ...table.rows]
}

function headLines(
  live: LiveNetwork,
  { style, width }: Omit<TopPage, 'height'>,
  speeds: readonly number[],
): string[] {
  const { networkName, version, uptimeMs, gateways, nowMs } = live
  const facts = [
    `${printable(networkName)} ${version}`,
    `up ${formatDuration(uptimeMs)}`,
    gateways === 0 ? 'no gateway answers' : formatNoun(gateways, 'gateway'),
    `${formatTime(nowMs).slice(11)} UTC`,
  ]
  const speed = sparkline(speeds)
  const load = [
    `${formatRate(live.requestsPerSecond)} requests/s`,
    `${formatRate(live.tokensPerSecond)} tokens/s${speed === '' ? '' : ` ${speed}`}`,
    `${live.inFlight} in flight`,
    `${live.waiting} waiting`,
    `first token ${formatMs(live.firstTokenP50Ms)}, p99 ${formatMs(live.firstTokenP99Ms)}`,
  ]
  return [
    ...flow(facts, width).map((line) => style('bold', line)),
    ...flow(load, width).map((line) => style(gateways === 0 ? 'warning' : 'plain', line)),
  ]
}

/** Parts with dots between them, on as many lines as they take. */
function flow(parts: readonly string[], width: number): string[] {
  const lines: string[] = []
  for (const part of parts) {
    const line = lines.at(-1)
    const joined = line === undefined ? part : `${line} · ${part}`
    if (line !== undefined && widthOf(joined) <= width) lines[lines.length - 1] = joined
    else lines.push(clip(part, width))
  }
  return lines
}

const BARS = [...'▁▂▃▄▅▆▇█']

export function sparkline(values: readonly number[]): string {
  const most = Math.max(0, ...values)
  if (most === 0 || values.length < 2) return ''
  return values
    .map((value) => BARS[Math.min(BARS.length - 1, Math.floor((value / most) * BARS.length))])
    .join('')
}

function tabLine({ view }: TopState, { style, width }: TopPage): string {
  const tabs = VIEWS.map((name, index) => ({ name, text: `${index + 1} ${name}` }))
  const room = tabs.reduce((sum, { text }) => sum + text.length + 3, 0)
  if (room > width) return style('accent', clip(`${VIEWS.indexOf(view) + 1} ${view}`, width))
  return tabs
    .map(({ name, text }) => (name === view ? style('accent', `[${text}]`) : style('dim', ` ${text} `)))
    .join(' ')
}

function keyLine({ view, sortBy, isReversed }: TopState, { style, width }: TopPage): string {
  const by = sortBy[view]
  const sorted = by === null ? 's sort' : `s sort: ${by.toLowerCase()}${isReversed ? ', reversed' : ''}`
  return style('dim', clip(['q quit', 'tab view', sorted, 'r reverse', '↑↓ scroll'].join('  '), width))
}

function bodyLines(live: LiveNetwork, state: TopState, page: TopPage, roomMax: number | null): string[] {
  const { view, isReversed, offset, sortBy } = state
  const by = sortBy[view]
  const sort = { by, isReversed }
  const tableOf = <Row>(columns: readonly TopColumn<Row>[], rows: readonly Row[], none: string): string[] => {
    if (rows.length === 0) return [page.style('dim', none)]
    const table = topTable(columns, sortRows(columns, rows, sort), {
      ...page,
      ...(by !== null && { sortedBy: by }),
    })
    return [table.head, ...table.rows.slice(offset)]
  }
  if (view === 'nodes') return tableOf(nodeColumns, live.nodes, 'No node is yours, or none is enrolled.')
  if (view === 'requests') return requestLines(live, state, page)
  const models = tableOf(modelColumns, live.models, 'No model is served now.')
  // Nodes have what the models leave.
  const room = roomMax === null ? null : roomMax - models.length - 1
  if (room !== null && room < 3) return models
  const nodes = sortRows(nodeColumns, live.nodes, { by: 'TOK/S', isReversed: false })
  if (nodes.length === 0) return models
  const table = topTable(nodeColumns, nodes, page)
  return [...models, '', table.head, ...table.rows]
}

function requestLines(live: LiveNetwork, { offset, sortBy, isReversed }: TopState, page: TopPage): string[] {
  const columns = recentColumns(live.nowMs)
  const by = sortBy.requests
  const open = topTable(streamColumns, live.streams, page)
  const sorted = sortRows(columns, live.recent, { by, isReversed })
  const recent = topTable(columns, sorted, { ...page, ...(by !== null && { sortedBy: by }) })
  const lines = [
    ...(live.streams.length === 0 ? [page.style('dim', 'No request is open.')] : [open.head, ...open.rows]),
    '',
    ...(live.recent.length === 0
      ? [page.style('dim', 'None has ended yet.')]
      : [recent.head, ...recent.rows]),
  ]
  return lines.slice(offset)
}

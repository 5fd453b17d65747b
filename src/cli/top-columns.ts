/** What the tables of `shoal top` show. */
import { formatUsd } from '#kernel/money.ts'
import { formatDuration } from '#kernel/time.ts'
import type { LiveModel, LiveNode, LiveStream, RecentRequest } from '#protocol/live.ts'
import { formatAge, formatCount, formatMaybeDuration, formatSpeed } from './format.ts'
import type { Tone } from './style.ts'
import type { TopColumn } from './top-table.ts'

export const modelColumns: readonly TopColumn<LiveModel>[] = [
  { title: 'MODEL', rank: 1, text: ({ model }) => model, order: ({ model }) => model },
  {
    title: 'NODES',
    isRight: true,
    rank: 3,
    text: ({ nodes }) => formatCount(nodes),
    tone: ({ nodes }) => (nodes === 0 ? 'bad' : 'plain'),
    order: ({ nodes }) => nodes,
  },
  {
    title: 'SLOTS',
    isRight: true,
    rank: 2,
    text: ({ busy, slots }) => `${busy}/${slots}`,
    tone: ({ busy, slots }) => (slots > 0 && busy >= slots ? 'warning' : 'plain'),
    order: ({ busy }) => busy,
  },
  {
    title: 'QUEUE',
    isRight: true,
    rank: 2,
    text: ({ waiting }) => formatCount(waiting),
    tone: ({ waiting }) => (waiting > 0 ? 'warning' : 'plain'),
    order: ({ waiting }) => waiting,
  },
  {
    title: 'REQ/S',
    isRight: true,
    rank: 4,
    text: ({ requestsPerSecond }) => formatRate(requestsPerSecond),
    order: ({ requestsPerSecond }) => requestsPerSecond,
  },
  {
    title: 'TOK/S',
    isRight: true,
    rank: 1,
    text: ({ tokensPerSecond }) => formatRate(tokensPerSecond),
    order: ({ tokensPerSecond }) => tokensPerSecond,
  },
  {
    title: 'TTFT',
    isRight: true,
    rank: 3,
    text: ({ firstTokenP50Ms }) => formatMs(firstTokenP50Ms),
    order: ({ firstTokenP50Ms }) => firstTokenP50Ms ?? -1,
  },
  {
    title: 'P99',
    isRight: true,
    rank: 5,
    text: ({ firstTokenP99Ms }) => formatMs(firstTokenP99Ms),
    order: ({ firstTokenP99Ms }) => firstTokenP99Ms ?? -1,
  },
  {
    title: '$/M OUT',
    isRight: true,
    rank: 6,
    text: ({ completionPerMillion }) => priceOf(completionPerMillion),
  },
]

export const nodeColumns: readonly TopColumn<LiveNode>[] = [
  { title: 'NODE', rank: 1, text: ({ name }) => name, order: ({ name }) => name },
  {
    title: 'STATE',
    rank: 2,
    text: ({ state }) => state,
    tone: ({ state }) => stateTones[state],
    order: ({ state }) => state,
  },
  {
    title: 'STREAMS',
    isRight: true,
    rank: 3,
    text: ({ busy, slots }) => (slots === 0 ? `${busy}` : `${busy}/${slots}`),
    tone: ({ busy, slots }) => (slots > 0 && busy >= slots ? 'warning' : 'plain'),
    order: ({ busy }) => busy,
  },
  {
    title: 'TOK/S',
    isRight: true,
    rank: 1,
    text: ({ tokensPerSecond }) => formatRate(tokensPerSecond),
    order: ({ tokensPerSecond }) => tokensPerSecond,
  },
  {
    title: 'TTFT',
    isRight: true,
    rank: 4,
    text: ({ firstTokenP50Ms }) => formatMs(firstTokenP50Ms),
    order: ({ firstTokenP50Ms }) => firstTokenP50Ms ?? -1,
  },
  {
    title: 'FAILED',
    isRight: true,
    rank: 3,
    text: ({ failures }) => formatCount(failures),
    tone: ({ failures }) => (failures > 0 ? 'warning' : 'plain'),
    order: ({ failures }) => failures,
  },
  { title: 'CLASS', rank: 7, text: ({ nodeClass }) => nodeClass, order: ({ nodeClass }) => nodeClass },
  { title: 'MODELS', rank: 6, text: ({ models }) => modelsText(models) },
  { title: 'ID', rank: 8, text: ({ nodeId }) => nodeId },
]

export const streamColumns: readonly TopColumn<LiveStream>[] = [
  { title: 'REQUEST', rank: 1, text: ({ requestId }) => requestId },
  {
    title: 'STATE',
    rank: 2,
    text: ({ state, continuations }) => (continuations > 0 ? `${state}, moved ${continuations}×` : state),
    tone: ({ state, continuations }) =>
      state === 'waiting' || state === 'reserving' ? 'warning' : continuations > 0 ? 'accent' : 'plain',
    order: ({ state }) => state,
  },
  { title: 'MODEL', rank: 4, text: ({ model }) => model, order: ({ model }) => model },
  {
    title: 'AGE',
    isRight: true,
    rank: 1,
    text: ({ ageMs }) => formatDuration(ageMs),
    order: ({ ageMs }) => ageMs,
  },
  {
    title: 'TTFT',
    isRight: true,
    rank: 3,
    text: ({ firstTokenMs }) => formatMs(firstTokenMs),
    order: ({ firstTokenMs }) => firstTokenMs ?? -1,
  },
  {
    title: 'TOKENS',
    isRight: true,
    rank: 2,
    text: ({ completionTokens }) => formatCount(completionTokens),
    order: ({ completionTokens }) => completionTokens,
  },
  { title: 'NODE', rank: 6, text: ({ nodeId }) => nodeId ?? '–' },
]

export const recentColumns = (nowMs: number): readonly TopColumn<RecentRequest>[] => [
  { title: 'REQUEST', rank: 1, text: ({ requestId }) => requestId },
  {
    title: 'OUTCOME',
    rank: 2,
    text: ({ outcome, code }) => (code === null ? outcome : `${outcome}: ${code}`),
    tone: ({ outcome }) => outcomeTones[outcome],
    order: ({ outcome }) => outcome,
  },
  { title: 'MODEL', rank: 4, text: ({ model }) => model, order: ({ model }) => model },
  {
    title: 'TTFT',
    isRight: true,
    rank: 3,
    text: ({ firstTokenMs }) => formatMs(firstTokenMs),
    order: ({ firstTokenMs }) => firstTokenMs ?? -1,
  },
  {
    title: 'TOOK',
    isRight: true,
    rank: 2,
    text: ({ totalMs }) => formatMs(totalMs),
    order: ({ totalMs }) => totalMs,
  },
  {
    title: 'TOKENS',
    isRight: true,
    rank: 2,
    text: ({ promptTokens, completionTokens }) =>
      `${formatCount(promptTokens)}+${formatCount(completionTokens)}`,
    order: ({ completionTokens }) => completionTokens,
  },
  {
    title: 'TRIES',
    isRight: true,
    rank: 5,
    text: ({ attempts, isHedged }) => (isHedged ? `${attempts} hedged` : `${attempts}`),
    tone: ({ attempts }) => (attempts > 1 ? 'accent' : 'plain'),
    order: ({ attempts }) => attempts,
  },
  {
    title: 'COST',
    isRight: true,
    rank: 6,
    text: ({ cost }) => `$${formatUsd(cost)}`,
    order: ({ cost }) => Number(cost),
  },
  {
    title: 'ENDED',
    rank: 4,
    text: ({ endedAtMs }) => formatAge(endedAtMs, nowMs),
    order: ({ endedAtMs }) => endedAtMs,
  },
  { title: 'NODE', rank: 7, text: ({ nodeId }) => nodeId ?? '–' },
]

const stateTones: Readonly<Record<LiveNode['state'], Tone>> = {
  online: 'good',
  suspect: 'warning',
  draining: 'warning',
  ejected: 'bad',
  absent: 'dim',
  banned: 'bad',
}
const outcomeTones: Readonly<Record<RecentRequest['outcome'], Tone>> = {
  completed: 'good',
  cancelled: 'dim',
  failed: 'bad',
}

export const formatRate = (perSecond: number): string =>
  perSecond >= 10_000 ? `${formatSpeed(perSecond / 1_000)}k` : formatSpeed(perSecond)

export const formatMs = (ms: number | null): string =>
  ms === null ? '–' : ms < 1_000 ? `${Math.round(ms)} ms` : formatMaybeDuration(Math.round(ms / 100) * 100)

const priceOf = (range: LiveModel['completionPerMillion']): string => {
  if (!range) return '–'
  const [min, max] = [formatUsd(range.min), formatUsd(range.max)].map(shortPrice)
  return min === max ? `${min}` : `${min}–${max}`
}
/** Three decimals that say something. */
const shortPrice = (usd: string): string => String(Number(Number(usd).toPrecision(3)))

const modelsText = (models: readonly string[]): string =>
  models.length <= 1 ? (models[0] ?? '–') : `${models[0]} +${models.length - 1}`

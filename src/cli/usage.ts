import { Command } from 'commander'
import { formatDuration } from '#kernel/time.ts'
import type { PageQuery } from '#protocol/page.ts'
import { routes } from '#protocol/routes.ts'
import type { UsageDay, UsageLine, UsageTotals } from '#protocol/usage-page.ts'
import type { CliContext } from './context.ts'
import { formatCount, formatMaybeDuration, formatMoney, formatNoun, formatTime } from './format.ts'
import { pageOfOptions, withPageOptions } from './page-options.ts'
import { runSession, show, showLag, showNext, showTable } from './session.ts'
import type { Column } from './table.ts'

interface UsageOptions extends PageQuery {
  readonly model?: string
  readonly project?: string
  readonly byDay?: boolean
}

/** `shoal usage`: what was asked, of whom, and what it cost. */
export const usageCommand = (context: CliContext): Command =>
  withPageOptions(new Command('usage').description("show the organisation's requests, newest first"), 20)
    .option('--model <model>', 'only this model')
    .option('--project <id>', "only this project's")
    .option('--by-day', 'sums per day and model instead of single requests')
    .action((options: UsageOptions, command: Command) =>
      options.byDay ? runByDay(context, options, command) : runRequests(context, options, command),
    )

const runRequests = (context: CliContext, options: UsageOptions, command: Command): Promise<void> =>
  runSession(context, command, async (session) => {
    const page = await session.member.listUsage({ query: queryOf(options) })
    show(
      session,
      routes.listUsage.reply,
      page,
      () =>
        [
          showTable(session, lineColumns, page.items, 'No requests yet. Try `shoal chat "What is Shoal?"`.'),
          session.style('dim', formatTotals(page.totals)),
        ].join('\n') +
        showLag(session, page.lagEntries) +
        showNext(session, page.next),
    )
  })

const runByDay = (context: CliContext, options: UsageOptions, command: Command): Promise<void> =>
  runSession(context, command, async (session) => {
    const page = await session.member.summariseUsage({ query: queryOf(options) })
    show(
      session,
      routes.summariseUsage.reply,
      page,
      () =>
        showTable(session, dayColumns, page.items, 'No requests yet.') +
        showLag(session, page.lagEntries) +
        showNext(session, page.next),
    )
  })

const queryOf = (options: UsageOptions) => ({
  ...pageOfOptions(options),
  ...(options.project !== undefined && { projectId: options.project }),
  ...(options.model !== undefined && { model: options.model }),
})

const formatTotals = (totals: UsageTotals): string =>
  [
    `In all ${formatNoun(totals.requests, 'request')}`,
    `${formatCount(totals.promptTokens)} prompt (${formatCount(totals.cachedPromptTokens)} cached) and ${formatCount(totals.completionTokens)} completion tokens`,
    formatMoney(totals.cost),
  ].join(', ')

const lineColumns: Column<UsageLine>[] = [
  { title: 'WHEN (UTC)', text: (line) => formatTime(line.atMs) },
  { title: 'MODEL', text: (line) => line.model },
  { title: 'KIND', text: (line) => line.kind },
  {
    title: 'OUTCOME',
    text: (line) => line.outcome,
    tone: ({ outcome }) => (outcome === 'completed' ? 'good' : outcome === 'failed' ? 'bad' : 'warning'),
  },
  { title: 'PROMPT', isRight: true, text: (line) => formatCount(line.promptTokens) },
  { title: 'CACHED', isRight: true, text: (line) => formatCount(line.cachedPromptTokens) },
  { title: 'COMPLETION', isRight: true, text: (line) => formatCount(line.completionTokens) },
  { title: 'FIRST', isRight: true, text: (line) => formatMaybeDuration(line.firstTokenMs) },
  { title: 'TOTAL', isRight: true, text: (line) => formatDuration(line.totalMs) },
  { title: 'COST', isRight: true, text: (line) => formatMoney(line.cost) },
  { title: 'NODE', text: (line) => line.nodeIds.join(',') || '–' },
  { title: 'REQUEST', text: (line) => line.requestId },
]

const dayColumns: Column<UsageDay>[] = [
  { title: 'DAY', text: (day) => day.day },
  { title: 'MODEL', text: (day) => day.model },
  { title: 'REQUESTS', isRight: true, text: (day) => formatCount(day.requests) },
  { title: 'PROMPT', isRight: true, text: (day) => formatCount(day.promptTokens) },
  { title: 'CACHED', isRight: true, text: (day) => formatCount(day.cachedPromptTokens) },
  { title: 'COMPLETION', isRight: true, text: (day) => formatCount(day.completionTokens) },
  { title: 'COST', isRight: true, text: (day) => formatMoney(day.cost) },
]

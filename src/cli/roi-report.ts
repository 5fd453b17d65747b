/** The report of `shoal roi` for people: the verdict first, then what it rests on, then where every number is from. */
import { type Answer, answersOf, type Ranking } from '#economics/answers.ts'
import type { RoiReport } from '#economics/economics.ts'
import { usdText } from '#economics/usd-text.ts'
import { fieldsWithin, type Page, paragraph, withTitle } from './report-page.ts'
import { type AccountRow, accountRows, breakEvenFields } from './roi-account.ts'
import { formatForecast } from './roi-forecast.ts'
import { formatInputs } from './roi-inputs.ts'
import { formatTornado } from './roi-tornado.ts'
import { type Column, formatTable } from './table.ts'

/**
 * `ranking` says where the machine should work; `null` where networks were not compared. `live` is what the node's own
 * record says, formatted.
 */
export function formatReport(
  report: RoiReport,
  page: Page,
  ranking: Ranking | null = null,
  live = '',
): string {
  const parts = [
    formatVerdict(report, page),
    formatAnswers(answersOf(report, ranking), page),
    ranking ? paragraph(HOW_TO_COMPARE, page, { tone: 'dim' }) : '',
    formatUnknowns(report, page),
    live,
    formatAccount(report, page),
    formatBreakEvens(report, page),
    formatForecast(report, page),
    formatTornado(report, page),
    formatInputs(report, page),
    formatNotices(report, page),
  ]
  return parts.filter((part) => part !== '').join('\n\n')
}

const HOW_TO_COMPARE =
  '`shoal roi compare` with the same options has the reasons of each network and what to beware of. What everything here rests on stands below.'

function formatVerdict({ account, verdict, gpu, network, place }: RoiReport, page: Page): string {
  const tone = account === null ? 'warning' : account.cashUsdPerDay > 0 ? 'good' : 'bad'
  const machine = `${gpu.count} × ${gpu.name}, ${gpu.vramGb} GB each`
  const where = [
    place?.name,
    network ? `on ${network.name} (${network.stability.replaceAll('_', ' ')} payout)` : null,
  ]
  const facts = [machine, ...where.filter((fact) => fact != null)].join(' · ')
  return [paragraph(verdict, page, { tone }), paragraph(facts, page, { tone: 'dim' })].join('\n')
}

const ANSWER_INDENT = '  '

/** Each question with its word, and the figures under it. */
export function formatAnswers(answers: readonly Answer[], page: Page): string {
  const widest = Math.max(...answers.map(({ question }) => question.length))
  return answers
    .map(({ question, short, tone, text }) => {
      const head = `${page.style('bold', question.padEnd(widest))}  ${page.style(tone, short)}`
      return `${head}\n${paragraph(text, page, { first: ANSWER_INDENT })}`
    })
    .join('\n')
}

function formatUnknowns({ unknowns }: RoiReport, page: Page): string {
  const lines = unknowns.map(({ label, unit, flag, blocks, why }) =>
    paragraph(
      `${label} (${flag}, in ${unit}): without it there is no ${blocks === 'everything' ? 'result' : blocks}. ${why}`,
      page,
      { first: '? ' },
    ),
  )
  return withTitle('Not known', lines.join('\n'), page)
}

const accountColumns: Column<AccountRow>[] = [
  { title: 'A MEAN DAY', text: ({ what }) => what, tone: ({ isSum }) => (isSum ? 'bold' : 'plain') },
  { title: 'USD/DAY', isRight: true, text: ({ usd }) => usdText(usd), tone: toneOf },
  { title: 'USD/MONTH', isRight: true, text: ({ usd }) => usdText((usd * 365) / 12), tone: toneOf },
]

function toneOf({ usd, isSum }: AccountRow): 'good' | 'bad' | 'plain' {
  if (!isSum) return 'plain'
  return usd >= 0 ? 'good' : 'bad'
}

function formatAccount(report: RoiReport, page: Page): string {
  const rows = accountRows(report)
  return rows.length === 0 ? '' : formatTable(accountColumns, rows, page.style)
}

function formatBreakEvens(report: RoiReport, page: Page): string {
  const fields = breakEvenFields(report)
  return fields.length === 0 ? '' : withTitle('Where it breaks even', fieldsWithin(fields, page), page)
}

function formatNotices({ notices, upperBounds }: RoiReport, page: Page): string {
  const lines = [...upperBounds.map((bound) => `Upper bound: ${bound}.`), ...notices]
  const marked = lines.map((line) => paragraph(line, page, { first: '! ' }))
  return withTitle('To bear in mind', marked.join('\n'), page)
}

/** The report of `shoal sim` for people: the answer first, then what it rests on. */
import { bandName, bandShare } from '#economics/chart/downtime-chart.ts'
import { shareTick } from '#economics/chart/share-tick.ts'
import type { DownBand, PromiseKept } from '#economics/fleet/fleet-outlook.ts'
import { machinesFor } from '#economics/fleet/spares.ts'
import type { SparesRow } from '#economics/fleet/spares-search.ts'
import { usdText } from '#economics/usd-text.ts'
import { formatDuration } from '#kernel/time.ts'
import { formatCount } from '../format.ts'
import { fieldsWithin, type Page, paragraph, withTitle } from '../report-page.ts'
import { type Column, formatTable } from '../table.ts'
import type { SimChange, SimReport } from './sim-run.ts'

export function formatSim(report: SimReport, page: Page): string {
  const parts = [
    formatHead(report, page),
    withTitle('What is kept', formatTable(promiseColumns(report), report.outlook.promises, page.style), page),
    withTitle('How long a service is down in a month', bandsTable(report, page), page),
    withTitle(sparesTitle(report), sparesTable(report, page), page),
    withTitle('With the same spares', formatTable(changeColumns(report), report.changes, page.style), page),
    withTitle('In figures', fieldsWithin(simFields(report), page), page),
    withTitle(
      'What this rests on',
      report.assumptions.map((line) => paragraph(line, page, { first: '· ' })).join('\n'),
      page,
    ),
  ]
  return parts.join('\n\n')
}

/** The whole answer in two sentences. */
export function simVerdict({ plan, fleet, outlook, tier, target, goal, spares }: SimReport): string {
  const kept = outlook.promises.find(({ name }) => name === tier)?.keptShare ?? 0
  const services = plan.nodes / plan.replicas
  const copies = plan.replicas === 1 ? 'one machine each' : `${plan.replicas} copies`
  const is = `${services} ${services === 1 ? 'service' : 'services'} of ${copies} on ${plan.nodes} machines (${fleet}) with ${plan.spares} ${plan.spares === 1 ? 'spare' : 'spares'} ${services === 1 ? 'keeps' : 'keep'} ${shareTick(target)} (${tier}) in ${keptText(kept)} of ${services === 1 ? 'its' : 'their'} months.`
  const most = spares.rows.at(-1)
  const needs =
    spares.needed === null
      ? `No number of spares up to ${most?.spares ?? 0} keeps it in ${shareTick(goal)} of them: it takes another copy, or machines that stay longer.`
      : `It takes ${spares.needed} ${spares.needed === 1 ? 'spare' : 'spares'} to keep it in ${shareTick(goal)} of them.`
  return [is, needs, ...tooFew(services * spares.months, goal)].join(' ')
}

/** Of fewer months than one of which may be missed, only that all were kept can be said. */
function tooFew(serviceMonths: number, goal: number): string[] {
  const least = Math.ceil(1 / (1 - goal) - 1e-6)
  return goal >= 1 || serviceMonths >= least
    ? []
    : [
        `Spares were tried for ${formatCount(serviceMonths)} months of services alone, and it takes ${formatCount(least)} to tell ${shareTick(goal)} from all.`,
      ]
}

const isGood = ({ outlook, tier, goal }: SimReport): boolean =>
  (outlook.promises.find(({ name }) => name === tier)?.keptShare ?? 0) >= goal

function formatHead(report: SimReport, page: Page): string {
  const { outlook, seed, plan } = report
  const facts = `${formatCount(outlook.serviceMonths)} months of services (${formatCount(plan.months)} each, seed ${seed}) · a forecast, no promise`
  return [
    paragraph(simVerdict(report), page, { tone: isGood(report) ? 'good' : 'warning' }),
    paragraph(facts, page, { tone: 'dim' }),
  ].join('\n')
}

/** Enough digits to tell it from all. */
export const keptText = (share: number): string =>
  share === 1 || share === 0 ? `${share * 100} %` : bandShare(share)

export const promiseColumns = ({ tier, chargesUsd }: SimReport): Column<PromiseKept>[] => [
  { title: 'CLASS', text: ({ name }) => name, tone: ({ name }) => (name === tier ? 'bold' : 'plain') },
  { title: 'UPTIME', isRight: true, text: ({ target }) => shareTick(target) },
  { title: 'MONTHS KEPT', isRight: true, text: ({ keptShare }) => keptText(keptShare) },
  {
    title: 'CREDITS/MONTH',
    isRight: true,
    text: ({ creditShare }) => usdText(creditShare * chargesUsd),
  },
]

const BAR_WIDTH = 24

/** As long as `share` of the width, and never nothing for something. */
const bar = (share: number): string =>
  share <= 0 ? '' : '█'.repeat(Math.max(1, Math.round(share * BAR_WIDTH)))

function bandsTable({ outlook, target }: SimReport, { style }: Page): string {
  const columns: Column<DownBand>[] = [
    { title: 'DOWN', text: bandName },
    { title: 'MONTHS', isRight: true, text: ({ share }) => bandShare(share) },
    {
      title: '',
      text: ({ share }) => bar(share),
      tone: ({ availability }) => (availability !== null && availability >= target ? 'good' : 'bad'),
    },
  ]
  return formatTable(columns, outlook.bands, style)
}

const sparesTitle = ({ spares, plan }: SimReport): string =>
  spares.months === plan.months
    ? 'How many spares'
    : `How many spares (of ${formatCount(spares.months)} months: machines come and go so often that more take long)`

export const sparesColumns = ({ tier, plan, spares, goal }: SimReport): Column<SparesRow>[] => [
  {
    title: 'SPARES',
    isRight: true,
    text: (row) => String(row.spares),
    tone: (row) => (row.spares === plan.spares ? 'bold' : 'plain'),
  },
  {
    title: `${tier.toUpperCase()} KEPT`,
    isRight: true,
    text: ({ keptShare }) => keptText(keptShare),
    tone: ({ keptShare }) => (keptShare >= goal ? 'good' : 'plain'),
  },
  { title: 'MACHINES', isRight: true, text: ({ machinesUsd }) => usdText(machinesUsd) },
  { title: 'CREDITS', isRight: true, text: ({ creditsUsd }) => usdText(creditsUsd) },
  { title: 'TOGETHER', isRight: true, text: ({ totalUsd }) => usdText(totalUsd) },
  { title: '', text: (row) => noteOf(row, spares) },
]

const noteOf = ({ spares }: SparesRow, { needed, cheapest }: SimReport['spares']): string =>
  [spares === needed ? 'enough' : '', spares === cheapest ? 'cheapest' : '']
    .filter((note) => note !== '')
    .join(', ')

const sparesTable = (report: SimReport, { style }: Page): string =>
  formatTable(sparesColumns(report), report.spares.rows, style)

export const changeColumns = ({ tier }: SimReport): Column<SimChange>[] => [
  { title: 'CHANGE', text: ({ change }) => change },
  { title: `${tier.toUpperCase()} KEPT`, isRight: true, text: ({ keptShare }) => keptText(keptShare) },
  { title: 'TOGETHER/MONTH', isRight: true, text: ({ totalUsd }) => usdText(totalUsd) },
]

const minutes = (count: number): string => (count === 0 ? 'none' : formatDuration(count * 60_000))

export function simFields(report: SimReport): [string, string][] {
  const { outlook, plan, pricePerHour, chargesUsd, creditsUsd } = report
  const { downMinutes } = outlook
  const takeover = plan.replaceMs === 0 ? 'at once' : `after ${formatDuration(plan.replaceMs)}`
  return [
    ['mean uptime of a service', `${(outlook.meanAvailability * 100).toFixed(4)} %`],
    [
      'down in a month',
      `median ${minutes(downMinutes.p50)}, P95 ${minutes(downMinutes.p95)}, P99 ${minutes(downMinutes.p99)}, worst ${minutes(downMinutes.worst)}`,
    ],
    [
      'outages',
      `${Number(outlook.outagesPerMonth.toPrecision(2))} a month and service, the longest ${minutes(outlook.longestOutageMinutes)}`,
    ],
    ['every copy served', `${(outlook.fullShare * 100).toFixed(2)} % of the time; ${formulaText(report)}`],
    [
      'machines',
      `${outlook.lossesPerMonth.toFixed(1)} lost a month; one is there ${(outlook.machineAvailability * 100).toFixed(1)} % of the time; a spare serves ${takeover}`,
    ],
    ['a machine-hour', pricePerHour],
    ['machines a month', usdText(outlook.machinesUsdPerMonth)],
    ['customers pay', `${usdText(chargesUsd)} a month, and get back ${usdText(creditsUsd)} in the mean`],
  ]
}

/** Beside what was simulated, what the binomial formula says of machines that fail each for itself. */
function formulaText({ outlook, plan, target }: SimReport): string {
  const { machineAvailability: availability } = outlook
  const spares = availability < 1 ? machinesFor(plan.nodes, availability, target) - plan.nodes : 0
  return `for ${shareTick(target)} it takes ${spares} by the formula for machines that fail each for itself and are replaced at once`
}

/** The report of `shoal roi` as a page for a forum: all that the text says, with charts. */
import type { NetworkAdvice } from '#economics/advisor.ts'
import { type Answer, answersOf, type Ranking } from '#economics/answers.ts'
import { breakEvenMap } from '#economics/break-even-map.ts'
import { breakEvenChart } from '#economics/chart/break-even-chart.ts'
import { cashChart } from '#economics/chart/cash-chart.ts'
import { distributionChart } from '#economics/chart/distribution-chart.ts'
import { tokenChart } from '#economics/chart/token-chart.ts'
import { tornadoChart } from '#economics/chart/tornado-chart.ts'
import type { RoiReport } from '#economics/economics.ts'
import { mapAxesOf } from '#economics/map-axes.ts'
import type { TokenSeries } from '#economics/token-past.ts'
import { usdText } from '#economics/usd-text.ts'
import { formatShare, formatWithUnit } from './figures.ts'
import { figure, type Html, htmlPage, htmlTable, plain, section, tag } from './html-page.ts'
import { accountRows, breakEvenFields } from './roi-account.ts'
import { stabilityNames } from './roi-advice.ts'
import { orderedInputs, sourceText } from './roi-inputs.ts'
import { rangeText } from './roi-tornado.ts'

export interface HtmlReport {
  readonly report: RoiReport
  readonly ranking: Ranking | null
  readonly tokenSeries: readonly TokenSeries[]
  /** `shoal roi …`, to get it again. */
  readonly command: string
  /** The day on which it was made. */
  readonly day: string
  readonly version: string
  /** What nobody can unfold is left out, and the inputs stand close together. */
  readonly isPicture: boolean
}

export function htmlReport(of: HtmlReport): Html {
  const { report, ranking } = of
  const { gpu } = report
  const machine = gpu.count === 1 ? gpu.name : `${gpu.count} × ${gpu.name}`
  const title = `What ${gpu.count === 1 ? 'a' : ''} ${machine} really earns`.replaceAll(/\s+/g, ' ')
  const body = [
    tag('h1', plain(title)),
    tag('p', plain(report.verdict), 'lead'),
    tag('p', plain(factsOf(of)), 'soft'),
    tag('div', answersOf(report, ranking).map(card).join(''), 'cards'),
    section('Not known', unknownList(report)),
    section('What may come', tag('div', charts(report), 'charts')),
    tag(
      'div',
      section('A mean day', accountTable(report)) + section('Where it breaks even', fieldsTable(report)),
      'pair',
    ),
    ranking ? section('Networks', networkTable(ranking), of.isPicture ? '' : networkDetails(ranking)) : '',
    section('Payout tokens', tokens(of)),
    section('What went in', of.isPicture ? inputsList(report) : inputsTable(report)),
    section('To bear in mind', notices(report)),
    tag('p', `${tag('small', `${plain(`The same again: `)}${tag('code', plain(of.command))}`)}`),
  ]
  return htmlPage({ title, description: report.verdict, body: body.filter((part) => part !== '').join('\n') })
}

function factsOf({ report, day, version }: HtmlReport): string {
  const { gpu, place, network, forecast } = report
  return [
    `${gpu.count} × ${gpu.name}, ${gpu.vramGb} GB each`,
    place?.name,
    network ? `on ${network.name}` : null,
    forecast ? `${forecast.paths.toLocaleString('en-US')} futures, seed ${forecast.seed}` : null,
    `Shoal ${version}, ${day}: a forecast, no promise`,
  ]
    .filter((fact) => fact != null)
    .join(' · ')
}

const card = ({ question, short, tone, text }: Answer): Html =>
  tag('div', tag('h3', plain(question)) + tag('strong', plain(short), tone) + tag('p', plain(text)), 'card')

const list = (items: readonly string[]): Html =>
  items.length === 0 ? '' : tag('ul', items.map((item) => tag('li', plain(item))).join(''))

const unknownList = ({ unknowns }: RoiReport): Html =>
  list(unknowns.map(({ label, flag, unit, why }) => `${label} (${flag}, in ${unit}): ${why}`))

function charts({ forecast, tornado, account, terms, breakEvens }: RoiReport): Html {
  if (!account || !terms) return ''
  const { depreciationUsdPerDay: depreciation, netUsdPerDay, cashUsdPerDay } = account
  const view = netUsdPerDay === null ? 'cash' : 'net'
  const base = netUsdPerDay ?? cashUsdPerDay
  const rows = tornado.map((row) => ({ ...row, range: rangeText(row) }))
  const map = breakEvenMap(terms, depreciation ?? 0, mapAxesOf(terms))
  const cashMap = breakEvenMap(terms, 0, mapAxesOf(terms))
  const own = { usdPerKwh: terms.electricityUsdPerKwh, utilisation: terms.utilisation }
  const line = breakEvens.cashUsdPerKwh
  return [
    ...(forecast ? forecastCharts(forecast) : []),
    figure(
      `Cash of a day for who owns it, by price of electricity and share of hours rented${line === null || line <= 0 ? '' : `; at your share it pays up to ${usdText(line)}/kWh`}.`,
      breakEvenChart(cashMap, own, 'Cash of a day'),
    ),
    ...(depreciation === null
      ? []
      : [
          figure(
            'The same for who buys it: its fall in value is counted.',
            breakEvenChart(map, own, 'Net of a day'),
          ),
        ]),
    figure(
      `What the ${view} of a day hangs on: one input at a time moved over its range, the others as they are.`,
      tornadoChart(rows, base, `What the ${view} of a day hangs on`),
    ),
  ].join('')
}

function forecastCharts({ cash, economic, byMonth, months }: NonNullable<RoiReport['forecast']>): Html[] {
  const loses = (share: number): string => `${formatShare(share)} of the futures lose`
  return [
    figure(
      `Who owns it: cash of ${months} months in all futures; ${loses(cash.lossShare)}.`,
      distributionChart(cash, `Cash of ${months} months`),
    ),
    ...(economic
      ? [
          figure(
            `Who buys it today and sells it then; ${loses(economic.lossShare)}.`,
            distributionChart(economic, `Bought and sold after ${months} months`),
          ),
        ]
      : []),
    figure(
      'Cash since the start: the middle future, and the band of nine in ten.',
      cashChart(byMonth, 'Cash'),
    ),
  ]
}

const accountTable = (report: RoiReport): Html => {
  const rows = accountRows(report)
  if (rows.length === 0) return ''
  return htmlTable(
    [
      { title: 'what', cell: ({ what, isSum }) => (isSum ? tag('strong', plain(what)) : plain(what)) },
      { title: 'USD/day', isRight: true, cell: ({ usd }) => plain(usdText(usd)) },
      { title: 'USD/month', isRight: true, cell: ({ usd }) => plain(usdText((usd * 365) / 12)) },
    ],
    rows,
  )
}

const fieldsTable = (report: RoiReport): Html => {
  const rows = breakEvenFields(report)
  return rows.length === 0
    ? ''
    : htmlTable<readonly [string, string]>(
        [
          { title: 'what', cell: ([name]) => plain(name) },
          { title: 'value', isRight: true, cell: ([, value]) => plain(value) },
        ],
        rows,
      )
}

const dollars = (usd: number | null): string => (usd === null ? '–' : usdText(usd))

function networkTable({ rows, months }: Ranking): Html {
  return htmlTable<NetworkAdvice>(
    [
      { title: 'network', cell: ({ name, rank }) => plain(rank === null ? name : `${rank}. ${name}`) },
      {
        title: `USD, ${months} months`,
        isRight: true,
        cell: ({ medianUsd, status }) =>
          plain(medianUsd === null ? status.replaceAll('_', ' ') : usdText(medianUsd)),
      },
      {
        title: 'bad case',
        isRight: true,
        cell: ({ medianUsd, shortfallUsd }) =>
          plain(dollars(medianUsd === null || shortfallUsd === null ? null : medianUsd - shortfallUsd)),
      },
      {
        title: 'it keeps',
        isRight: true,
        cell: ({ takeShare }) => plain(takeShare === null ? '–' : formatShare(takeShare)),
      },
      { title: 'payout', cell: ({ stability }) => plain(stabilityNames[stability]) },
      {
        title: 'rent, USD/hour',
        isRight: true,
        cell: ({ price }) => plain(dollars(price?.usdPerGpuHour ?? null)),
      },
      {
        title: 'at the price seen there',
        isRight: true,
        cell: ({ atOwnPrice }) => plain(dollars(atOwnPrice?.medianUsd ?? null)),
      },
    ],
    rows,
  )
}

const networkDetails = ({ rows }: Ranking): Html =>
  rows
    .map(({ name, why, token, cautions, sources, asOf }) => {
      const lines = [...why, ...(token ? [`Token: ${token.text}`] : []), ...cautions]
      const from = sources.length === 0 ? [] : [`Sources (as of ${asOf}): ${sources.join('; ')}.`]
      return tag(
        'details',
        tag('summary', plain(`${name}: why, and what to beware of`)) + list([...lines, ...from]),
      )
    })
    .join('')

/** A line is drawn where there are prices; elsewhere the shipped figures stand, with the name of what stands in. */
function tokens({ ranking, tokenSeries }: HtmlReport): Html {
  const drawn = tokenSeries.map((series) =>
    figure(
      `${series.token}, in USD, from ${series.source}: a past, and no word on what comes.`,
      tokenChart(series),
    ),
  )
  const lines = (ranking?.rows ?? []).flatMap(({ name, token }) => (token ? [`${name}: ${token.text}`] : []))
  return (drawn.length === 0 ? '' : tag('div', drawn.join(''), 'charts')) + list(lines)
}

const inputsTable = ({ inputs }: RoiReport): Html =>
  htmlTable(
    [
      { title: 'input', cell: ({ label }) => plain(label) },
      { title: 'value', isRight: true, cell: ({ value, unit }) => plain(formatWithUnit(value, unit)) },
      { title: 'from', cell: (input) => plain(sourceText(input)) },
    ],
    orderedInputs(inputs),
  )

const inputsList = ({ inputs }: RoiReport): Html => {
  const items = orderedInputs(inputs).map((input) => {
    const { label, value, unit } = input
    return tag(
      'li',
      `${tag('strong', plain(`${label} ${formatWithUnit(value, unit)}`))} ${plain(sourceText(input))}`,
    )
  })
  return tag('ul', items.join(''), 'inputs')
}

const notices = ({ notices: lines, upperBounds }: RoiReport): Html =>
  list([...upperBounds.map((bound) => `Upper bound: ${bound}.`), ...lines])

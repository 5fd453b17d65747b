/** The report of `shoal sim` as a page: all that the text says, with charts. */
import { downtimeChart } from '#economics/chart/downtime-chart.ts'
import { shareTick } from '#economics/chart/share-tick.ts'
import { costChart, keptChart } from '#economics/chart/spares-chart.ts'
import { figure, type Html, htmlPage, htmlTable, plain, section, tag } from '../html-page.ts'
import type { Column } from '../table.ts'
import { changeColumns, promiseColumns, simFields, simVerdict, sparesColumns } from './sim-report.ts'
import type { SimReport } from './sim-run.ts'

export function simHtml(report: SimReport, made: { readonly day: string; readonly version: string }): Html {
  const { outlook, plan, tier, target, goal, spares, seed } = report
  const verdict = simVerdict(report)
  const title = `What ${plan.nodes} machines keep`
  const facts = `${outlook.serviceMonths.toLocaleString('en-US')} months of services, seed ${seed} · Shoal ${made.version}, ${made.day}: a forecast, no promise`
  const charts = [
    figure(
      `How long a service is down in a month; green keeps ${shareTick(target)}.`,
      downtimeChart(outlook.bands, target, 'Time down'),
    ),
    figure(
      `Months that keep ${tier} by the number of spares.`,
      keptChart(spares, goal, `Months that keep ${tier}`),
    ),
    figure(
      'What machines and expected credits cost in a month, by the number of spares.',
      costChart(spares, 'Cost'),
    ),
  ]
  const body = [
    tag('h1', plain(title)),
    tag('p', plain(verdict), 'lead'),
    tag('p', plain(facts), 'soft'),
    tag('div', charts.join(''), 'charts'),
    section('What is kept', table(promiseColumns(report), outlook.promises)),
    section('How many spares', table(sparesColumns(report), spares.rows)),
    section('With the same spares', table(changeColumns(report), report.changes)),
    section(
      'In figures',
      htmlTable(
        [
          { title: 'what', cell: ([name]: readonly [string, string]) => plain(name) },
          { title: 'value', cell: ([, value]: readonly [string, string]) => plain(value) },
        ],
        simFields(report),
      ),
    ),
    section(
      'What this rests on',
      tag('ul', report.assumptions.map((line) => tag('li', plain(line))).join('')),
    ),
  ]
  return htmlPage({ title, description: verdict, body: body.join('\n') })
}

/** The same columns as in the text. */
const table = <Row>(columns: readonly Column<Row>[], rows: readonly Row[]): Html =>
  htmlTable(
    columns.map((column) => ({
      title: column.title.toLowerCase(),
      ...(column.isRight && { isRight: true }),
      cell: (row: Row) => plain(column.text(row)),
    })),
    rows,
  )

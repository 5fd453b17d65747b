/** This node's own figures in place of assumptions: where they are from, since when, and how a forecast made of them fared. */
import { type InputLine, type InputName, inputInfo } from '#economics/input-lines.ts'
import {
  type DayFigures,
  errorOf,
  type ForecastCheck,
  type OwnFigure,
  type OwnHistory,
} from '#economics/own-history.ts'
import type { MeasuredName } from '#economics/roi-input.ts'
import { usdText } from '#economics/usd-text.ts'
import { DAY_MS, HOUR_MS } from '#kernel/time.ts'
import { formatWithUnit } from './figures.ts'
import { type FittedColumn, formatTableWithin } from './fitted-table.ts'
import { type Page, paragraph, withTitle } from './report-page.ts'
import { originNames } from './roi-inputs.ts'

/** What the forecast would be without the record; `null` where nothing is known of the machine but its record. */
export interface WithoutRecord {
  readonly inputs: readonly InputLine[]
  readonly day: DayFigures
}

const inputOf = {
  loadWatts: 'loadWatts',
  idleWatts: 'idleWatts',
  utilisation: 'utilisation',
  availability: 'availability',
  pricePerGpuHour: 'price',
  takeShare: 'takeShare',
  electricityPerKwh: 'electricity',
} as const satisfies Record<MeasuredName, InputName>

export function formatHistory(history: OwnHistory, without: WithoutRecord | null, page: Page): string {
  const parts = [
    withTitle("This node's own record", recordText(history, page), page),
    withTitle('What it measured, and what counts', figuresTable(history, without, page), page),
    withTitle('Forecast against actual, a mean day', checksText(history, without, page), page),
  ]
  return parts.filter((part) => part !== '').join('\n\n')
}

const dayText = (atMs: number): string => new Date(atMs).toISOString().slice(0, 10)
const daysText = (hours: number): string =>
  hours >= 48
    ? `${(hours / 24).toFixed(1)} days`
    : hours < 1
      ? `${Math.floor(hours * 60)} min`
      : `${hours.toFixed(hours < 10 ? 1 : 0)} h`

function recordText(
  { place, sinceMs, calendarHours, hoursMin, basis, measured }: OwnHistory,
  page: Page,
): string {
  if (sinceMs === null)
    return paragraph(
      `${place} has nothing on record yet: everything below rests on assumptions. The node writes down each minute what it measures; look again in an hour.`,
      page,
      { first: '! ', tone: 'warning' },
    )
  const meter = {
    plug: 'Energy is that of the whole machine, at the plug.',
    parts: 'Energy is that of the GPUs and the CPU alone: a lower bound.',
    none: 'Nothing here measures energy.',
  }[basis ?? 'none']
  const record = paragraph(
    `${place}: ${daysText(calendarHours)} on record, since ${dayText(sinceMs)}. ${meter}`,
    page,
  )
  if (measured) return record
  const enoughMs = sinceMs + hoursMin * HOUR_MS
  const wait =
    calendarHours < hoursMin
      ? `That is too little to be believed: ${daysText(calendarHours)} of ${daysText(hoursMin)}. From about ${dayText(enoughMs)} on its own figures take the place of assumptions; until then everything below rests on those.`
      : 'None of its figures can take the place of an assumption yet: the reasons stand below.'
  return `${record}\n${paragraph(wait, page, { first: '! ', tone: 'warning' })}`
}

function figuresTable({ figures }: OwnHistory, without: WithoutRecord | null, page: Page): string {
  const assumed = (name: MeasuredName): InputLine | undefined =>
    without?.inputs.find((line) => line.name === inputOf[name])
  const valueText = ({ name, value }: OwnFigure): string =>
    value === null ? '–' : formatWithUnit(value, inputInfo[inputOf[name]].unit)
  const columns: FittedColumn<OwnFigure>[] = [
    { title: 'FIGURE', name: 'figure', text: ({ name }) => inputInfo[inputOf[name]].label },
    {
      title: 'WITHOUT IT',
      name: 'without it',
      isRight: true,
      text: ({ name }) => {
        const line = assumed(name)
        return line ? formatWithUnit(line.value, line.unit) : '–'
      },
    },
    { title: 'MEASURED', name: 'measured', isRight: true, text: valueText },
    {
      title: 'COUNTS',
      name: 'counts',
      text: (figure) => countsText(figure, assumed(figure.name)),
      tone: ({ isUsed }) => (isUsed ? 'good' : 'warning'),
    },
  ]
  return formatTableWithin(columns, figures, page, ({ basis }) => basis)
}

function countsText({ isUsed }: OwnFigure, line: InputLine | undefined): string {
  if (line?.origin === 'given') return 'yours'
  if (isUsed) return 'measured'
  return line ? originNames[line.origin] : 'not yet'
}

interface CheckRow {
  readonly what: string
  readonly unit: 'usd' | 'kwh'
  readonly forecast: number | null
  readonly actual: number | null
}

const checkColumns: FittedColumn<CheckRow>[] = [
  { title: '', name: 'what', text: ({ what }) => what },
  {
    title: 'FORECAST',
    name: 'forecast',
    isRight: true,
    text: ({ unit, forecast }) => amount(unit, forecast),
  },
  { title: 'ACTUAL', name: 'actual', isRight: true, text: ({ unit, actual }) => amount(unit, actual) },
  {
    title: 'ERROR',
    name: 'error',
    isRight: true,
    text: ({ forecast, actual }) => errorText(errorOf(forecast, actual)),
    tone: ({ forecast, actual }) =>
      Math.abs(errorOf(forecast, actual) ?? 0) > FAR_OFF ? 'warning' : 'plain',
  },
]
const FAR_OFF = 0.15

const amount = (unit: CheckRow['unit'], value: number | null): string =>
  value === null ? '–' : unit === 'usd' ? usdText(value) : `${value.toFixed(2)} kWh`

const errorText = (error: number | null): string =>
  error === null ? '–' : `${error > 0 ? '+' : ''}${Math.round(error * 100)} %`

function checksText(history: OwnHistory, without: WithoutRecord | null, page: Page): string {
  const { checks, sinceMs, hoursMin, actual, untilMs } = history
  if (sinceMs === null) return ''
  const blind = without
    ? [checkTable('Without the record: assumptions, and prices of lists', without.day, actual, page)]
    : []
  const made = checks.map((check) => checkTable(titleOf(check, untilMs), check.forecast, check.actual, page))
  const firstMs = sinceMs + Math.max(DAY_MS, hoursMin * HOUR_MS) + DAY_MS
  const early = `A forecast made of its own record can be held against what came after it from about ${dayText(firstMs)} on.`
  const note =
    'Income is what the node reckons to get; `shoal earnings --ledger` compares that with what was paid.'
  return [
    ...blind,
    ...(made.length > 0 ? made : [paragraph(early, page)]),
    paragraph(note, page, { tone: 'dim' }),
  ].join('\n')
}

const titleOf = ({ day, madeAtMs }: ForecastCheck, untilMs: number): string =>
  `Made of its record up to day ${day} (${dayText(madeAtMs)}), against the ${daysText((untilMs - madeAtMs) / HOUR_MS)} since`

function checkTable(title: string, forecast: DayFigures, actual: DayFigures, page: Page): string {
  const row = (what: string, unit: CheckRow['unit'], name: keyof DayFigures): CheckRow => ({
    what,
    unit,
    forecast: forecast[name],
    actual: actual[name],
  })
  const rows = [
    row('income, after fees', 'usd', 'incomeUsd'),
    row('energy', 'kwh', 'energyKwh'),
    row('electricity', 'usd', 'electricityUsd'),
  ]
  return `${paragraph(title, page, { tone: 'accent' })}\n${formatTableWithin(checkColumns, rows, page)}`
}

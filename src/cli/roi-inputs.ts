import type { RoiReport } from '#economics/economics.ts'
import type { InputLine } from '#economics/input-lines.ts'
import { formatWithUnit, wrapText } from './figures.ts'
import { type Page, withTitle } from './report-page.ts'
import { type Column, formatTable, printable } from './table.ts'

const columns: Column<InputLine>[] = [
  { title: 'INPUT', text: ({ label }) => label },
  { title: 'VALUE', isRight: true, text: ({ value, unit }) => formatWithUnit(value, unit) },
  {
    title: 'FROM',
    text: ({ origin }) => origin,
    tone: ({ origin }) => (origin === 'assumption' ? 'warning' : 'plain'),
  },
  { title: 'AS OF', text: ({ asOf }) => asOf ?? '–' },
  { title: 'CHANGE', text: ({ flag }) => flag },
]
const GAP = '  '
const SOURCE_WIDTH_MIN = 30

/** Every number that went in, with its source and date; sources are folded into the width of the terminal. */
export function formatInputs({ inputs }: Pick<RoiReport, 'inputs'>, page: Page): string {
  // What the owner said comes first, what was assumed next: that is what to look at.
  const origins = ['given', 'measured', 'assumption', 'catalogue', 'derived']
  const sorted = [...inputs].sort((a, b) => origins.indexOf(a.origin) - origins.indexOf(b.origin))
  const sources = ['SOURCE', ...sorted.map(({ source }) => printable(source))]
  // Padded without colour, so that the sources stand in one column.
  const plain = formatTable(columns, sorted, (_tone, text) => text).split('\n')
  const width = Math.max(...plain.map((line) => line.length))
  const room = page.columns === null ? Number.POSITIVE_INFINITY : page.columns - width - GAP.length
  const lines = formatTable(columns, sorted, page.style)
    .split('\n')
    .flatMap((line, index) => {
      const pad = ' '.repeat(width - (plain[index]?.length ?? 0))
      const indent = room < SOURCE_WIDTH_MIN ? GAP.repeat(2) : ' '.repeat(width + GAP.length)
      const source = sources[index] ?? ''
      const [first = '', ...more] = wrapText(
        source,
        room < SOURCE_WIDTH_MIN ? (page.columns ?? 0) - indent.length : room,
      )
      const head =
        room < SOURCE_WIDTH_MIN
          ? [line, indent + page.style('dim', first)]
          : [`${line}${pad}${GAP}${page.style('dim', first)}`]
      return [...head, ...more.map((text) => indent + page.style('dim', text))]
    })
  return withTitle('What went in', lines.join('\n'), page)
}

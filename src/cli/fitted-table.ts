import { wrapText } from './figures.ts'
import { type Page, paragraph } from './report-page.ts'
import { type Column, formatTable, printable } from './table.ts'

export interface FittedColumn<Row> extends Column<Row> {
  /** What its value is called where it stands below the row instead of in a column. */
  readonly name: string
}

const GAP = 2
const INDENT = '   '

/**
 * A table no wider than the page. The columns that do not fit any more, from the first of them on, go below each row,
 * each with its name; an empty value is left out there. `noteOf` says what stands below each row in any case.
 */
export function formatTableWithin<Row>(
  columns: readonly FittedColumn<Row>[],
  rows: readonly Row[],
  page: Page,
  noteOf: (row: Row) => string = () => '',
): string {
  const fitting = page.columns === null ? columns.length : countThatFits(columns, rows, page.columns)
  const inRow = columns.slice(0, fitting)
  const below = columns.slice(fitting)
  const lines = formatTable(inRow, rows, page.style).split('\n')
  const [titles = '', ...body] = lines
  const belowRow = (row: Row): string[] => [
    ...linesBelow(below, row, page),
    ...(noteOf(row) === '' ? [] : [paragraph(noteOf(row), page, { tone: 'dim', first: INDENT })]),
  ]
  return [titles, ...body.flatMap((line, index) => [line, ...belowRow(rows[index] as Row)])].join('\n')
}

function countThatFits<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  columnsMax: number,
): number {
  let width = 0
  for (const [index, column] of columns.entries()) {
    const cells = [column.title, ...rows.map((row) => printable(column.text(row)))]
    width += Math.max(...cells.map((text) => [...text].length)) + (index === 0 ? 0 : GAP)
    if (width > columnsMax) return Math.max(1, index)
  }
  return columns.length
}

function linesBelow<Row>(
  columns: readonly FittedColumn<Row>[],
  row: Row,
  { style, columns: width }: Page,
): string[] {
  const facts = columns.flatMap((column) => {
    const text = printable(column.text(row))
    return text === '' || text === '–' ? [] : [`${column.name} ${text}`]
  })
  if (facts.length === 0) return []
  return wrapText(facts.join(' · '), (width ?? 0) - INDENT.length).map((line) => INDENT + style('dim', line))
}

/** Text in columns, for people. */
import type { Style, Tone } from './style.ts'

export interface Column<Row> {
  readonly title: string
  readonly isRight?: boolean
  readonly text: (row: Row) => string
  readonly tone?: (row: Row) => Tone
}

const GAP = '  '

/** A line of titles and a line for each row; names that others gave cannot steer the terminal. */
export function formatTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  style: Style,
): string {
  const cells = rows.map((row) => columns.map((column) => printable(column.text(row))))
  const widths = columns.map(({ title }, index) =>
    Math.max(width(title), ...cells.map((line) => width(line[index] ?? ''))),
  )
  const line = (texts: readonly string[], tone: (index: number) => Tone): string =>
    texts
      .map((text, index) => {
        const gap = ' '.repeat((widths[index] ?? 0) - width(text))
        const toned = style(tone(index), text)
        return columns[index]?.isRight ? gap + toned : toned + gap
      })
      .join(GAP)
      .trimEnd()
  const titles = line(
    columns.map(({ title }) => title),
    () => 'dim',
  )
  const body = cells.map((texts, row) =>
    line(texts, (index) => columns[index]?.tone?.(rows[row] as Row) ?? 'plain'),
  )
  return [titles, ...body].join('\n')
}

/** One name and value a line. */
export function formatFields(
  fields: readonly (readonly [name: string, value: string])[],
  style: Style,
): string {
  const widest = Math.max(...fields.map(([name]) => width(name)))
  return fields
    .map(([name, value]) => `${style('dim', name.padEnd(widest))}${GAP}${printable(value)}`)
    .join('\n')
}

/** `text` with whatever could move the cursor, colour or ring made visible. Line breaks and tabs become spaces. */
export const printable = (text: string): string =>
  text.replace(/[\n\r\t]+/g, ' ').replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, '\ufffd')

const width = (text: string): number => [...text].length

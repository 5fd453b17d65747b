import type { CliContext } from './context.ts'
import { wrapText } from './figures.ts'
import { type Style, styleFor, type Tone } from './style.ts'
import { printable } from './table.ts'

/** Where a report of several parts is printed. */
export interface Page {
  readonly style: Style
  /** How long a line may be; `null`: as long as it is. */
  readonly columns: number | null
}

/** Where nobody says how wide the reader's window is. */
const COLUMNS_DEFAULT = 80
const COLUMNS_MIN = 40

/** The width of the terminal; in a pipe what `COLUMNS` says, or 80. */
export function pageOf({ stdout, env }: Pick<CliContext, 'stdout' | 'env'>): Page {
  const said = Number(env['COLUMNS'])
  const columns = stdout.columns ?? (Number.isInteger(said) && said > 0 ? said : COLUMNS_DEFAULT)
  return { style: styleFor(stdout, env), columns: Math.max(columns, COLUMNS_MIN) }
}

/** The name of a part above it; a part with nothing in it has none. */
export const withTitle = (title: string, body: string, page: Page): string =>
  body === '' ? '' : `${paragraph(title, page, { tone: 'bold' })}\n${body}`

/** `text` folded into the width of the page: `first` begins its first line, and as many blanks the others. */
export function paragraph(
  text: string,
  { style, columns }: Page,
  { tone = 'plain', first = '' }: { readonly tone?: Tone; readonly first?: string } = {},
): string {
  const indent = ' '.repeat([...first].length)
  const width = columns === null ? Number.POSITIVE_INFINITY : columns - indent.length
  return wrapText(printable(text), width)
    .map((line, index) => (index === 0 ? first : indent) + style(tone, line))
    .join('\n')
}

/** One name and value a line, with long values folded beside their name, or below it where there is no room. */
export function fieldsWithin(
  fields: readonly (readonly [name: string, value: string])[],
  page: Page,
): string {
  const { style, columns } = page
  const widest = Math.max(...fields.map(([name]) => [...name].length))
  const room = columns === null ? Number.POSITIVE_INFINITY : columns - widest - GAP.length
  return fields
    .map(([name, value]) => {
      const [first = '', ...more] = wrapText(printable(value), room)
      const lines = [style('dim', name.padEnd(widest)) + GAP + first]
      return [...lines, ...more.map((line) => ' '.repeat(widest) + GAP + line)].join('\n')
    })
    .join('\n')
}

const GAP = '  '

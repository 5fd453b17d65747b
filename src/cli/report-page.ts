import type { CliContext } from './context.ts'
import { type Style, styleFor } from './style.ts'

/** Where a report of several parts is printed. */
export interface Page {
  readonly style: Style
  /** Width of the terminal; `null`: lines are as long as they are. */
  readonly columns: number | null
}

export const pageOf = ({ stdout, env }: Pick<CliContext, 'stdout' | 'env'>): Page => ({
  style: styleFor(stdout, env),
  columns: stdout.columns,
})

/** The name of a part above it; a part with nothing in it has none. */
export const withTitle = (title: string, body: string, { style }: Page): string =>
  body === '' ? '' : `${style('bold', title)}\n${body}`

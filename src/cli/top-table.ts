/** A table of fixed width: what has no room loses columns first, then the ends of its names. */

import type { Style, Tone } from './style.ts'
import { printable } from './table.ts'

export interface TopColumn<Row> {
  readonly title: string
  readonly isRight?: boolean
  /** 1 stays longest. */
  readonly rank: number
  readonly text: (row: Row) => string
  readonly tone?: (row: Row) => Tone
  /** What rows are sorted by, largest first; texts from a to z. Absent: it cannot be sorted by. */
  readonly order?: (row: Row) => number | string
}

const GAP = 2
/** A name is still told from others by so much of it. */
const NAME_WIDTH_MIN = 12

export interface TopTable {
  readonly head: string
  readonly rows: readonly string[]
}

/** One line a row, none wider than `width`. The first column takes what is left and is cut where that is too little. */
export function topTable<Row>(
  columns: readonly TopColumn<Row>[],
  rows: readonly Row[],
  page: { readonly width: number; readonly style: Style; readonly sortedBy?: string },
): TopTable {
  const { style, sortedBy } = page
  const cells = new Map(columns.map((column) => [column, rows.map((row) => printable(column.text(row)))]))
  const titleOf = ({ title }: TopColumn<Row>): string => (title === sortedBy ? `${title}↓` : title)
  const natural = (column: TopColumn<Row>): number =>
    Math.max(...[titleOf(column), ...(cells.get(column) ?? [])].map(widthOf))
  const [first] = columns
  if (!first) return { head: '', rows: [] }
  let shown = [...columns]
  const widthNeeded = (): number =>
    shown.reduce((sum, column) => sum + (column === first ? 0 : natural(column) + GAP), 0) +
    Math.min(natural(first), NAME_WIDTH_MIN)
  while (shown.length > 1 && widthNeeded() > page.width) {
    const least = shown.reduce((a, b) => (b.rank >= a.rank && b !== first ? b : a), shown[1] ?? first)
    shown = shown.filter((column) => column !== least)
  }
  const others = shown.slice(1).reduce((sum, column) => sum + natural(column) + GAP, 0)
  const widthOfColumn = (column: TopColumn<Row>): number =>
    column === first ? Math.max(1, Math.min(natural(first), page.width - others)) : natural(column)
  const line = (
    textOf: (column: TopColumn<Row>) => string,
    toneOf: (column: TopColumn<Row>) => Tone,
  ): string =>
    shown
      .map((column) => {
        const width = widthOfColumn(column)
        const text = clip(textOf(column), width)
        const gap = ' '.repeat(width - widthOf(text))
        const toned = style(toneOf(column), text)
        return column.isRight ? gap + toned : toned + gap
      })
      .join(' '.repeat(GAP))
  return {
    head: line(titleOf, ({ title }) => (title === sortedBy ? 'accent' : 'dim')),
    rows: rows.map((row, index) =>
      line(
        (column) => cells.get(column)?.[index] ?? '',
        (column) => column.tone?.(row) ?? 'plain',
      ),
    ),
  }
}

/** As the column named `by` says, or as they came. */
export function sortRows<Row>(
  columns: readonly TopColumn<Row>[],
  rows: readonly Row[],
  { by, isReversed }: { readonly by: string | null; readonly isReversed: boolean },
): readonly Row[] {
  const order = columns.find(({ title }) => title === by)?.order
  if (!order) return rows
  const sign = isReversed ? -1 : 1
  return rows.toSorted((a, b) => {
    const [left, right] = [order(a), order(b)]
    if (typeof left === 'number' && typeof right === 'number') return sign * (right - left)
    return sign * (String(left) < String(right) ? -1 : String(left) > String(right) ? 1 : 0)
  })
}

/** `a-long-na…`. */
export function clip(text: string, width: number): string {
  const characters = [...text]
  if (characters.length <= width) return text
  return width <= 1 ? characters.slice(0, width).join('') : `${characters.slice(0, width - 1).join('')}…`
}

export const widthOf = (text: string): number => [...text].length

import type { RoiReport } from '#economics/economics.ts'
import type { InputLine } from '#economics/input-lines.ts'
import { formatWithUnit } from './figures.ts'
import { type Page, paragraph, withTitle } from './report-page.ts'
import { type Column, formatTable } from './table.ts'

const columns: Column<InputLine>[] = [
  { title: 'INPUT', text: ({ label }) => label },
  { title: 'VALUE', isRight: true, text: ({ value, unit }) => formatWithUnit(value, unit) },
  { title: 'CHANGE IT', text: ({ flag }) => flag },
]
/** What the owner said comes first, what was assumed next: that is what to look at. */
const origins = ['given', 'measured', 'assumption', 'catalogue', 'derived'] as const
export const originNames = {
  given: 'given',
  measured: 'measured',
  assumption: 'assumed',
  catalogue: 'looked up',
  derived: 'worked out',
} as const satisfies Record<InputLine['origin'], string>
const INDENT = '   '

export const orderedInputs = (inputs: readonly InputLine[]): InputLine[] =>
  [...inputs].sort((a, b) => origins.indexOf(a.origin) - origins.indexOf(b.origin))

/** Every number that went in, with its origin, date and source below it. */
export function formatInputs({ inputs }: Pick<RoiReport, 'inputs'>, page: Page): string {
  const sorted = orderedInputs(inputs)
  const plain = formatTable(columns, sorted, (_tone, text) => text).split('\n')
  const isWide = page.columns === null || plain.every((line) => [...line].length <= (page.columns ?? 0))
  const inRow = isWide ? columns : columns.slice(0, -1)
  const [titles = '', ...lines] = formatTable(inRow, sorted, page.style).split('\n')
  const body = lines.flatMap((line, index) => {
    const input = sorted[index]
    return input ? [line, sourceOf(input, page, isWide ? '' : `${input.flag}: `)] : [line]
  })
  return withTitle('What went in', [titles, ...body].join('\n'), page)
}

/** `assumed, 2026-11-22: a home machine`. */
export function sourceText({ origin, asOf, source }: Pick<InputLine, 'origin' | 'asOf' | 'source'>): string {
  const date = asOf === null ? '' : `, ${asOf}`
  const rest = source.replace(/^assumption(: )?/, '')
  return `${originNames[origin]}${date}${rest === '' ? '' : `: ${rest}`}`
}

function sourceOf({ origin, asOf, source }: InputLine, page: Page, flag: string): string {
  const tone = origin === 'assumption' ? 'warning' : 'dim'
  const text = flag + sourceText({ origin, asOf, source })
  return paragraph(text, page, { tone, first: INDENT })
}

/** Numbers of a forecast as people read them. Money is USD as a `number` here: a forecast is no ledger. */
import { formatCount } from './format.ts'

/** `9 %`, `2.5 %`: of a share between 0 and 1. */
export const formatShare = (share: number): string => `${trimmed(share * 100, 1)} %`

/** Three digits that matter or all before the point, in groups of three: `0.12`, `21.4`, `1,650`. */
export function formatQuantity(value: number): string {
  const [whole = '', decimals] = trimmed(Math.abs(value), decimalsOf(Math.abs(value))).split('.')
  const grouped = formatCount(Number(whole)) + (decimals === undefined ? '' : `.${decimals}`)
  return value < 0 ? `-${grouped}` : grouped
}

const decimalsOf = (amount: number): number => (amount >= 100 ? 0 : amount >= 10 ? 1 : amount >= 0.01 ? 3 : 5)

/** `0.5 share` → `50 %`; `0.12 USD/kWh`: a number is never without its unit. */
export const formatWithUnit = (value: number, unit: string): string =>
  unit.startsWith('share')
    ? `${formatShare(value)}${unit.slice('share'.length)}`
    : unit === 'ratio'
      ? `× ${formatQuantity(value)}`
      : `${formatQuantity(value)} ${value === 1 ? (singular[unit] ?? unit) : unit}`

const singular: Readonly<Record<string, string>> = { GPUs: 'GPU', months: 'month', years: 'year' }

const DAYS_PER_MONTH = 365 / 12

/** `12 days`, `7 months`, `3.4 years`. */
export function formatDays(days: number): string {
  if (days < 60) return `${Math.ceil(days)} days`
  if (days < 730) return `${(days / DAYS_PER_MONTH).toFixed(0)} months`
  return `${(days / 365).toFixed(1)} years`
}

const trimmed = (value: number, decimals: number): string =>
  String(Number(value.toFixed(decimals))).includes('e')
    ? value.toFixed(decimals)
    : String(Number(value.toFixed(decimals)))

const LEVELS = '▁▂▃▄▅▆▇█'

/** One character for each count, as high as it is; nothing at all is a blank. */
export function sparkline(counts: readonly number[]): string {
  const most = Math.max(...counts, 1)
  return counts
    .map((count) => (count === 0 ? ' ' : (LEVELS[Math.ceil((count / most) * LEVELS.length) - 1] ?? ' ')))
    .join('')
}

/** A bar from `from` to `to` on a scale of `width` characters, with `│` where nothing is changed. */
export function rangeBar(
  bar: { readonly from: number; readonly to: number; readonly base: number },
  scale: { readonly low: number; readonly high: number; readonly width: number },
): string {
  const at = (value: number): number =>
    scale.high === scale.low
      ? 0
      : Math.round(((value - scale.low) / (scale.high - scale.low)) * (scale.width - 1))
  const [first, last, base] = [at(Math.min(bar.from, bar.to)), at(Math.max(bar.from, bar.to)), at(bar.base)]
  return Array.from({ length: scale.width }, (_, x) =>
    x === base ? '│' : x >= first && x <= last ? '█' : ' ',
  ).join('')
}

/** `text` in lines of at most `width` characters, cut between words; a word that is longer stays whole, as does `52 %`. */
export function wrapText(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/\s+(?!%)/)) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}

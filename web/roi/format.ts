/** Numbers as the page says them: each with its unit. Dollars are `usdText`, as everywhere. */

/** `9 %`, `2.5 %`: of a share between 0 and 1. */
export const shareText = (share: number): string => `${Number((share * 100).toFixed(1))} %`

/** Three digits that matter, or all before the point: `0.12`, `21.4`, `1,650`. */
export function quantityText(value: number): string {
  const size = Math.abs(value)
  const decimals = size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.01 ? 3 : 5
  const [whole = '', rest] = String(Number(size.toFixed(decimals))).split('.')
  const grouped = whole.replaceAll(/\B(?=(\d{3})+$)/g, ',')
  return `${value < 0 ? '-' : ''}${grouped}${rest === undefined ? '' : `.${rest}`}`
}

/** `0.5 share` → `50 %`, `1.2 ratio` → `× 1.2`, `0.12 USD/kWh`. */
export function withUnit(value: number, unit: string): string {
  if (unit.startsWith('share')) return `${shareText(value)}${unit.slice('share'.length)}`
  if (unit === 'ratio') return `× ${quantityText(value)}`
  return `${quantityText(value)} ${value === 1 ? (singular[unit] ?? unit) : unit}`
}

const singular: Readonly<Record<string, string>> = { GPUs: 'GPU', months: 'month', years: 'year' }

const DAYS_PER_MONTH = 365 / 12

/** `12 days`, `7 months`, `3.4 years`. */
export function daysText(days: number): string {
  if (days < 60) return `${Math.ceil(days)} days`
  return days < 730 ? `${Math.round(days / DAYS_PER_MONTH)} months` : `${(days / 365).toFixed(1)} years`
}

/** A sentence of the economics without the options of the command line that it names: here they are fields. */
export const withoutFlags = (sentence: string): string =>
  sentence.replaceAll(/ \(--[\w-]+\)/g, '').replaceAll(/--([a-z][\w-]*)/g, '$1')

/** A number for a field or a link, without the noise of binary fractions. */
export const plainNumber = (value: number): string => String(Number(value.toPrecision(6)))

/** An amount of money as people write it. */

export type ParsedAmount =
  | { readonly kind: 'amount'; readonly value: number; readonly currency: string }
  | { readonly kind: 'unreadable' }

const symbols: Readonly<Record<string, string>> = { $: 'USD', '€': 'EUR', '£': 'GBP', '¥': 'JPY', '₹': 'INR' }
/** Hundredths; which currency they are of is not said, but for the two that only one has. */
const hundredths: Readonly<Record<string, string | null>> = {
  ct: null,
  cent: null,
  cents: null,
  c: null,
  p: 'GBP',
  '¢': 'USD',
}

/**
 * `0.12`, `$0.12`, `0.12 USD`, `0.12 USD/kWh`, `€0.30`, `30 ct`, `28p`. Without a currency it is `currency`. A comma is refused:
 * it is a decimal sign in one country and a thousand's in the next.
 */
export function parseAmount(text: string | number, currency = 'USD'): ParsedAmount {
  if (typeof text === 'number')
    return Number.isFinite(text) ? { kind: 'amount', value: text, currency } : { kind: 'unreadable' }
  const bare = text.trim().replace(/\s*\/\s*(kwh|h|hour|gpu-hour|day)$/i, '')
  const match = /^(?<before>\D{0,3}?)\s*(?<digits>-?\d+(?:\.\d+)?(?:e-?\d+)?)\s*(?<after>\D{0,5})$/i.exec(
    bare,
  )
  const { before = '', digits = '', after = '' } = match?.groups ?? {}
  if (!match) return { kind: 'unreadable' }
  const unit = before.trim() || after.trim()
  if (before.trim() !== '' && after.trim() !== '') return { kind: 'unreadable' }
  const value = Number(digits)
  if (unit === '') return { kind: 'amount', value, currency }
  const ofHundredths = hundredths[unit.toLowerCase()]
  if (ofHundredths !== undefined)
    return { kind: 'amount', value: value / 100, currency: ofHundredths ?? currency }
  const code = symbols[unit] ?? unit.toUpperCase()
  return /^[A-Z]{3}$/.test(code) ? { kind: 'amount', value, currency: code } : { kind: 'unreadable' }
}

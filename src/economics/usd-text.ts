/** An amount for people: whole dollars from a thousand up, cents below, a third digit for what is under ten cents. */
export function usdText(amount: number): string {
  const size = Math.abs(amount)
  const sign = amount < 0 ? '-' : ''
  if (size >= 1_000) return `${sign}$${String(Math.round(size)).replaceAll(/\B(?=(\d{3})+$)/g, ',')}`
  return `${sign}$${size.toFixed(size > 0 && size < 0.1 ? 3 : 2)}`
}

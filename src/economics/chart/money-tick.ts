/** `$1.5k`, `-$200`, `$0.05`: short enough for an axis. */
export function moneyTick(usd: number): string {
  const size = Math.abs(usd)
  const sign = usd < 0 ? '-' : ''
  if (size >= 1e6) return `${sign}$${Number((size / 1e6).toPrecision(3))}M`
  if (size >= 10_000) return `${sign}$${Number((size / 1e3).toPrecision(3))}k`
  return `${sign}$${Number(size.toPrecision(4))}`
}

/** Positions and round marks of an axis. */

/** About `count` round values within `[low, high]`, ascending; zero is among them where the range has it. */
export function ticksOf(low: number, high: number, count: number): number[] {
  if (!(high > low)) return [low]
  const rough = (high - low) / count
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((one) => one >= rough) ?? rough
  const first = Math.ceil(low / step)
  const last = Math.floor(high / step)
  return Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step)
}

/** From `[low, high]` onto `[0, width]`. */
export const positionIn =
  ({ low, high }: { readonly low: number; readonly high: number }, width: number) =>
  (value: number): number =>
    high === low ? 0 : ((value - low) / (high - low)) * width

/** `$1.2k`, `$350`, `-$40`: as short as an axis needs it. */
export function shortUsd(usd: number): string {
  const size = Math.abs(usd)
  const text =
    size >= 1e6
      ? `${Number((size / 1e6).toFixed(1))}M`
      : size >= 10_000
        ? `${Number((size / 1e3).toFixed(1))}k`
        : size >= 10 || size === 0
          ? String(Math.round(size))
          : size.toFixed(2)
  return `${usd < 0 ? '-' : ''}$${text}`
}

export interface Scale {
  readonly low: number
  readonly high: number
  /** Round values within it. */
  readonly ticks: readonly number[]
  at(value: number): number
}

const STEPS = [1, 2, 2.5, 5, 10]

/** Values from `low` to `high` onto `from` to `to`, with about `tickCount` round values. */
export function linearScale(
  values: { readonly low: number; readonly high: number },
  { from, to, tickCount }: { readonly from: number; readonly to: number; readonly tickCount: number },
): Scale {
  const isFlat = values.high - values.low < 1e-9 * Math.max(1, Math.abs(values.high))
  const low = isFlat ? values.low - 1 : values.low
  const high = isFlat ? values.high + 1 : values.high
  return {
    low,
    high,
    ticks: ticksOf(low, high, tickCount),
    at: (value) => from + ((value - low) / (high - low)) * (to - from),
  }
}

function ticksOf(low: number, high: number, count: number): number[] {
  const rough = (high - low) / Math.max(1, count)
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * (STEPS.find((candidate) => candidate * power >= rough) ?? 10)
  const first = Math.ceil(low / step)
  const last = Math.floor(high / step)
  return Array.from({ length: last - first + 1 }, (_, index) =>
    Number(((first + index) * step).toPrecision(12)),
  )
}

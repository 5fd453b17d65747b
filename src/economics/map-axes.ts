import type { Terms } from './terms.ts'

const COLUMNS = 10
const USD_PER_KWH_STEP = 0.05
const SHARE_STEP = 0.1

/** Axes of a break-even map that has the owner's own case in it. */
export function mapAxesOf({
  electricityUsdPerKwh,
  availability,
}: Pick<Terms, 'electricityUsdPerKwh' | 'availability'>): {
  readonly usdPerKwh: readonly number[]
  readonly utilisation: readonly number[]
} {
  const steps = Math.ceil(electricityUsdPerKwh / (COLUMNS * USD_PER_KWH_STEP))
  const step = USD_PER_KWH_STEP * Math.max(1, steps)
  const rows = Math.max(1, Math.floor(availability / SHARE_STEP + 1e-9))
  return {
    usdPerKwh: Array.from({ length: COLUMNS }, (_, index) => Number(((index + 1) * step).toFixed(4))),
    utilisation: Array.from({ length: rows }, (_, index) => Number(((index + 1) * SHARE_STEP).toFixed(4))),
  }
}

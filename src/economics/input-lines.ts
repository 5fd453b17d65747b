/** Every number that goes into a forecast, with where it is from: the part of a report that keeps it honest. */

interface InputInfo {
  readonly label: string
  readonly unit: string
  /** Of `shoal roi`. */
  readonly flag: string
  /** What the value may be, ends included. */
  readonly min: number
  readonly max: number
}

const info = (
  label: string,
  unit: string,
  flag: string,
  [min, max]: readonly [number, number],
): InputInfo => ({
  label,
  unit,
  flag,
  min,
  max,
})
const SHARE = [0, 1] as const

export const inputInfo = {
  gpuCount: info('GPUs', 'GPUs', '--count', [1, 1_000]),
  price: info('rental price', 'USD/GPU-hour', '--price', [0.0001, 100]),
  utilisation: info('rented share of all hours', 'share', '--utilisation', SHARE),
  availability: info('online share of all hours', 'share', '--availability', [0.01, 1]),
  takeShare: info("network's part of the rent", 'share', '--take', SHARE),
  payoutFeeShare: info('cost of the payout', 'share', '--payout-fee', SHARE),
  fxHaircutShare: info('exchange loss', 'share', '--fx-haircut', SHARE),
  gasPerDay: info('transactions', 'USD/day', '--gas', [0, 1_000]),
  extraPerGpuDay: info('storage and bandwidth income', 'USD/GPU-day', '--extra', [0, 1_000]),
  electricity: info('price of electricity', 'USD/kWh', '--kwh', [0, 3]),
  loadWatts: info('power at work, at the wall', 'W', '--watts', [1, 1_000_000]),
  loadWattsMax: info('highest power, at the wall', 'W', '--max-watts', [1, 1_000_000]),
  idleWatts: info('power when idle, at the wall', 'W', '--idle-watts', [0, 1_000_000]),
  offWatts: info('power when parked, at the wall', 'W', '--off-watts', [0, 1_000_000]),
  pue: info('power of place over machine (PUE)', 'ratio', '--pue', [1, 3]),
  fixedPerDay: info('fixed costs', 'USD/day', '--fixed', [0, 100_000]),
  maintenancePerDay: info('maintenance', 'USD/day', '--maintenance', [0, 100_000]),
  purchase: info('purchase price, or value today', 'USD', '--purchase', [1, 100_000_000]),
  resale: info('resale value at the end', 'USD', '--resale', [0, 100_000_000]),
  lifeYears: info('years in use', 'years', '--years', [0.1, 20]),
  discountPerYear: info('discount', 'share/year', '--discount', [0, 1]),
  taxShare: info('tax on income', 'share', '--tax', [0, 0.99]),
  months: info('length of the forecast', 'months', '--months', [1, 60]),
} as const satisfies Record<string, InputInfo>

export type InputName = keyof typeof inputInfo

export interface Provenance {
  /** `given`: by the owner. `measured`: by this node. `catalogue`: shipped data. `derived`: worked out of other lines. */
  readonly origin: 'given' | 'measured' | 'catalogue' | 'assumption' | 'derived'
  readonly source: string
  /** As exact as the source is: `2026-08-22`, `2025-S1`; `null` for what the owner says. */
  readonly asOf: string | null
  /** The result that it leads to is an upper bound: a list price, say. */
  readonly boundWhy?: string
}

export interface InputLine extends Provenance {
  readonly name: InputName
  readonly label: string
  readonly value: number
  readonly unit: string
  readonly flag: string
  /** Since the source's date; `null` where there is none. */
  readonly ageDays: number | null
}

/** What nobody said and nothing tells: to be asked for. */
export interface Unknown {
  readonly name: InputName
  readonly label: string
  readonly unit: string
  readonly flag: string
  /** What cannot be said without it. */
  readonly blocks: 'everything' | 'economic view'
  readonly why: string
}

/** What is wrong with something that the owner said. */
export interface InputProblem {
  readonly name: InputName | 'gpu' | 'country' | 'network' | 'currency'
  readonly message: string
}

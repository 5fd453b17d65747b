/**
 * The monthly shocks of the four markets that move together: a Gaussian copula by Cholesky's factor.
 *
 * Where a year ends up hangs on few directions: how high a series stands over the year, and whether it rises or falls.
 * Those directions of the first year are not left to chance but spread evenly over the paths (a Kronecker sequence
 * with a random start), the rest is drawn. Each path is as likely as before, but percentiles of 20,000 paths then vary
 * from seed to seed half as much as those of independent paths, or less (`bench/monte-carlo.ts`).
 */
import { assert } from '#kernel/assert.ts'
import { forkRandom, type Random } from '#kernel/random.ts'
import { createNormals, normalQuantile, uniform } from './normal.ts'

export const RENTAL = 0
export const UTILISATION = 1
export const RESALE = 2
export const TOKEN = 3
const MARKETS = 4
const YEAR = 12

export interface Correlations {
  readonly rentalUtilisation: number
  readonly rentalResale: number
  readonly utilisationResale: number
  readonly tokenRental: number
  readonly tokenUtilisation: number
  readonly tokenResale: number
}

/** Standard normal shocks of one path. */
export interface Shocks {
  /** By market, month after month: market `m` of month `k` is at `m * months + k`. */
  readonly markets: Float64Array
  /** Independent of all else: the draw under load, and the yearly change of the price of electricity. */
  readonly watts: number
  readonly electricity: number
}

/** Market and wave (0 is the level of the year, 1 its slope, …) of the directions that are spread evenly. */
const evenDirections: readonly { readonly market: number; readonly wave: Float64Array }[] = [
  { market: RENTAL, wave: cosineWave(0) },
  { market: UTILISATION, wave: cosineWave(0) },
  { market: RESALE, wave: cosineWave(0) },
  { market: RENTAL, wave: cosineWave(1) },
  { market: TOKEN, wave: cosineWave(0) },
  { market: UTILISATION, wave: cosineWave(1) },
  { market: RENTAL, wave: cosineWave(2) },
  { market: TOKEN, wave: cosineWave(1) },
]

/** Source of the shocks of path after path, `months` (at least 12) each. The arrays are reused from call to call. */
export function createShocks(random: Random, months: number, correlations: Correlations): () => Shocks {
  assert(months >= YEAR, 'shocks are drawn for a year at least')
  const factor = choleskyFactor(correlations)
  const even = createEvenSpread(forkRandom(random), evenDirections.length + 2)
  const normal = createNormals(forkRandom(random))
  const markets = new Float64Array(MARKETS * months)
  return () => {
    const spread = even()
    for (let index = 0; index < markets.length; index++) markets[index] = normal()
    for (let at = 0; at < evenDirections.length; at++) {
      const { market, wave } = evenDirections[at] as (typeof evenDirections)[number]
      setAlong(wave, spread[at] ?? 0, { markets, from: market * months })
    }
    correlate(markets, months, factor)
    return {
      markets,
      watts: spread[evenDirections.length] ?? 0,
      electricity: spread[evenDirections.length + 1] ?? 0,
    }
  }
}

/** One of the cosine waves of a year: of length 1, at right angles to the others, so that what lies along it is independent. */
function cosineWave(wave: number): Float64Array {
  const height = Math.sqrt((wave === 0 ? 1 : 2) / YEAR)
  return Float64Array.from(
    { length: YEAR },
    (_, month) => height * Math.cos((Math.PI * wave * (month + 0.5)) / YEAR),
  )
}

/** Moves the first year of a series along `wave` until its part in that direction is `target`. */
function setAlong(
  wave: Float64Array,
  target: number,
  { markets, from }: { markets: Float64Array; from: number },
): void {
  let part = 0
  for (let month = 0; month < YEAR; month++) part += (wave[month] ?? 0) * (markets[from + month] ?? 0)
  for (let month = 0; month < YEAR; month++) {
    markets[from + month] = (markets[from + month] ?? 0) + (target - part) * (wave[month] ?? 0)
  }
}

/**
 * Source of points in `dimensions` dimensions, standard normal in each, that fill the space evenly: multiples of the
 * powers of the generalised golden ratio, from a random start.
 */
function createEvenSpread(random: Random, dimensions: number): () => Float64Array {
  let ratio = 2
  for (let step = 0; step < 60; step++) ratio = (1 + ratio) ** (1 / (dimensions + 1))
  const steps = Float64Array.from({ length: dimensions }, (_, at) => ratio ** -(at + 1))
  const at = Float64Array.from(steps, () => uniform(random))
  const point = new Float64Array(dimensions)
  return () => {
    for (let dimension = 0; dimension < dimensions; dimension++) {
      const next = ((at[dimension] ?? 0) + (steps[dimension] ?? 0)) % 1
      at[dimension] = next
      point[dimension] = normalQuantile(Math.min(Math.max(next, 1e-9), 1 - 1e-9))
    }
    return point
  }
}

/** From the last market to the first, so that it can be done in place. */
function correlate(markets: Float64Array, months: number, factor: readonly Float64Array[]): void {
  for (let market = MARKETS - 1; market > 0; market--) {
    const row = factor[market] as Float64Array
    for (let month = 0; month < months; month++) {
      let sum = 0
      for (let other = 0; other <= market; other++)
        sum += (row[other] ?? 0) * (markets[other * months + month] ?? 0)
      markets[market * months + month] = sum
    }
  }
}

/** The lower triangle whose product with its own transpose is the matrix of correlations. */
function choleskyFactor(of: Correlations): Float64Array[] {
  const matrix = [
    [1, of.rentalUtilisation, of.rentalResale, of.tokenRental],
    [of.rentalUtilisation, 1, of.utilisationResale, of.tokenUtilisation],
    [of.rentalResale, of.utilisationResale, 1, of.tokenResale],
    [of.tokenRental, of.tokenUtilisation, of.tokenResale, 1],
  ]
  const factor: number[][] = []
  for (const [row, values] of matrix.entries()) {
    const own: number[] = []
    for (let column = 0; column <= row; column++) {
      const other = column === row ? own : (factor[column] ?? [])
      let rest = values[column] ?? 0
      for (let k = 0; k < column; k++) rest -= (own[k] ?? 0) * (other[k] ?? 0)
      assert(
        column < row || rest > 0,
        'no four markets can be correlated so: the matrix is not positive definite',
      )
      own.push(column === row ? Math.sqrt(rest) : rest / (other[column] ?? 1))
    }
    factor.push(own)
  }
  return factor.map((row) => Float64Array.from(row))
}

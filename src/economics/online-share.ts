/** Which share of its hours a machine will be online, from a record too short to be believed alone. */

/** The mean of a share, and the variance of that mean over as many days. */
export interface OnlineShare {
  readonly measured: number
  readonly expected: number
  /** Of `expected`, as a forecast of the long run. */
  readonly variance: number
  /** Of the mean over one day, as if days were independent: over `n` days it is this by `n`. */
  readonly varianceOfDay: number
}

/**
 * Machines that come and go are online for 0.57 of all hours (volunteers' hosts of RakeSearch), give or take 0.2 (spot
 * capacity: 0.12 to 0.91). How much of this prior counts follows from the record: a machine whose days are alike, on
 * all day or from eight to six, is believed.
 */
const PRIOR = { mean: 0.57, sigma: 0.2 } as const
/** An absence of a day and a half makes two or three days alike: so many days count as one. */
const DAYS_ALIKE = 3

/** `days` are the shares of whole days; `measured` is of the whole record. */
export function onlineShareOf(measured: number, days: readonly number[]): OnlineShare {
  const varianceOfDay = days.length < 2 ? measured * (1 - measured) : DAYS_ALIKE * varianceOf(days)
  const ofMean = varianceOfDay / Math.max(1, days.length)
  const ofPrior = PRIOR.sigma ** 2
  return {
    measured,
    expected: (ofPrior * measured + ofMean * PRIOR.mean) / (ofPrior + ofMean),
    variance: (ofPrior * ofMean) / (ofPrior + ofMean),
    varianceOfDay,
  }
}

/** Of the population that `values` are a sample of; 0 for fewer than two. */
export function varianceOf(values: readonly number[]): number {
  if (values.length < 2) return 0
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1)
}

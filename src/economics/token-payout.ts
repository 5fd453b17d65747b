import { DAYS_PER_YEAR } from './terms.ts'

/** The 5 % quantile of the standard normal distribution, as a distance. */
const FIVE_PERCENT = 1.645

/**
 * What share of a payout is gone, or more, in one of twenty cases, when it has to wait `lockDays` in a token of that
 * yearly volatility. A risk to show beside the mean, never to take off it: a fair token gains as often as it loses.
 */
export const lockLossShare = (volatilityPerYear: number, lockDays: number): number =>
  1 - Math.exp(-FIVE_PERCENT * volatilityPerYear * Math.sqrt(lockDays / DAYS_PER_YEAR))

import { HOURS_PER_DAY, type Terms } from './terms.ts'

type Supply = Pick<Terms, 'psuEfficiency' | 'pue'>
type Draw = Supply & Pick<Terms, 'loadWatts' | 'idleWatts' | 'offWatts'>

/** Kilowatt-hours that the meter counts for one hour at `watts`, cooling and the power supply's loss included. */
export const kwhPerHour = (watts: number, { psuEfficiency, pue }: Supply): number =>
  (watts * pue) / psuEfficiency / 1_000

/** Kilowatt-hours of one day: at work for `utilisation`, idle while online without work, parked for the rest. */
export function energyKwhPerDay(terms: Draw & Pick<Terms, 'utilisation' | 'availability'>): number {
  const { utilisation, availability, loadWatts, idleWatts, offWatts } = terms
  const meanWatts =
    utilisation * loadWatts + (availability - utilisation) * idleWatts + (1 - availability) * offWatts
  return HOURS_PER_DAY * kwhPerHour(meanWatts, terms)
}

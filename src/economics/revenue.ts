import { HOURS_PER_DAY, type Terms } from './terms.ts'

type Shares = Pick<Terms, 'takeShare' | 'payoutFeeShare' | 'fxHaircutShare'>
type Income = Shares & Pick<Terms, 'gpuCount' | 'utilisation' | 'priceUsdPerGpuHour' | 'extraUsdPerGpuDay'>

/** What reaches the owner of each dollar that a renter pays, in dollars. */
export const keptShare = (shares: Shares): number =>
  (1 - shares.takeShare) * (1 - shares.payoutFeeShare) * (1 - shares.fxHaircutShare)

/** What the renters pay for one day, before anybody takes a part. */
export const rentUsdPerDay = (terms: Omit<Income, keyof Shares>): number =>
  terms.gpuCount * (HOURS_PER_DAY * terms.utilisation * terms.priceUsdPerGpuHour + terms.extraUsdPerGpuDay)

/** What reaches the owner of one day, in dollars; negative when gas eats more than the rent. */
export const revenueUsdPerDay = (terms: Income & Pick<Terms, 'gasUsdPerDay'>): number =>
  rentUsdPerDay(terms) * keptShare(terms) - terms.gasUsdPerDay

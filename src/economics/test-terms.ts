/** The worked example G1, from which tests vary: one RTX 4090 at $0.34 an hour, half of the time, at $0.10/kWh. */
import type { Capital, Terms } from './terms.ts'

const terms: Terms = {
  gpuCount: 1,
  priceUsdPerGpuHour: 0.34,
  utilisation: 0.5,
  availability: 0.97,
  takeShare: 0.25,
  payoutFeeShare: 0.01,
  fxHaircutShare: 0,
  gasUsdPerDay: 0,
  extraUsdPerGpuDay: 0,
  electricityUsdPerKwh: 0.1,
  loadWatts: 600,
  idleWatts: 96,
  offWatts: 0,
  psuEfficiency: 1,
  pue: 1,
  fixedUsdPerDay: 0.25,
  maintenanceUsdPerDay: 0,
}
const capital: Capital = { purchaseUsd: 2470, resaleUsd: 988, lifeYears: 3, discountPerYear: 0.1 }

export const g1 = { terms, capital }

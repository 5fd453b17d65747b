/** What holds of every machine, whatever the numbers. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { NANO_PER_USD } from '#kernel/money.ts'
import {
  breakEvenUsdPerKwh,
  breakEvenUtilisation,
  costUsdPerGpuHour,
  minimumPriceUsdPerGpuHour,
} from './break-even.ts'
import { accountOf } from './daily-account.ts'
import { askOf, decideParking, hourCostUsd, type MachineState, marginalPriceUsdPerGpuHour } from './hour.ts'
import { keptShare } from './revenue.ts'
import type { Terms } from './terms.ts'

const share = (min: number, max: number) => fc.double({ min, max, noNaN: true })
const amount = (max: number) => fc.double({ min: 0, max, noNaN: true })

/** Parked draws at most what idle draws, idle at most what work draws; rented at most while online. */
const terms: fc.Arbitrary<Terms> = fc
  .record({
    gpuCount: fc.integer({ min: 1, max: 16 }),
    priceUsdPerGpuHour: amount(5),
    takeShare: share(0, 0.9),
    payoutFeeShare: share(0, 0.2),
    fxHaircutShare: share(0, 0.5),
    gasUsdPerDay: amount(1),
    extraUsdPerGpuDay: amount(1),
    electricityUsdPerKwh: amount(1),
    psuEfficiency: share(0.7, 1),
    pue: share(1, 2),
    fixedUsdPerDay: amount(10),
    maintenanceUsdPerDay: amount(10),
    availability: share(0.05, 1),
    rentedOfOnline: share(0.01, 1),
    offWatts: amount(20),
    idleMore: amount(300),
    loadMore: share(1, 2_000),
  })
  .map(({ rentedOfOnline, idleMore, loadMore, ...rest }) => ({
    ...rest,
    utilisation: rentedOfOnline * rest.availability,
    idleWatts: rest.offWatts + idleMore,
    loadWatts: rest.offWatts + idleMore + loadMore,
  }))
const depreciation = fc.double({ min: -20, max: 50, noNaN: true })

const netOf = (of: Terms, depreciationUsdPerDay: number): number =>
  accountOf(of, depreciationUsdPerDay).netUsdPerDay ?? Number.NaN
/** Zero, but for rounding of numbers of that size. */
const isZero = (value: number, size: number): boolean => Math.abs(value) <= 1e-9 * Math.max(1, Math.abs(size))

test('dearer electricity never raises what is left', () => {
  fc.assert(
    fc.property(terms, depreciation, amount(1), (of, loss, more) => {
      const dearer = { ...of, electricityUsdPerKwh: of.electricityUsdPerKwh + more }
      return netOf(dearer, loss) <= netOf(of, loss) + 1e-12
    }),
  )
})

test('at the break-even price of electricity nothing is left and nothing is missing', () => {
  fc.assert(
    fc.property(terms, depreciation, (of, loss) => {
      const electricityUsdPerKwh = breakEvenUsdPerKwh(of, loss) ?? Number.NaN
      return isZero(netOf({ ...of, electricityUsdPerKwh }, loss), electricityUsdPerKwh * 100)
    }),
  )
})

test('at the break-even utilisation nothing is left and nothing is missing', () => {
  fc.assert(
    fc.property(terms, depreciation, (of, loss) => {
      const utilisation = breakEvenUtilisation(of, loss)
      // None: another rented hour costs more electricity than it brings.
      if (utilisation === null)
        return netOf({ ...of, utilisation: 1 }, loss) <= netOf({ ...of, utilisation: 0 }, loss)
      return isZero(netOf({ ...of, utilisation }, loss), utilisation * 100)
    }),
  )
})

test('at the lowest price that covers all costs nothing is missing, and nothing is left unless it is free', () => {
  fc.assert(
    fc.property(terms, depreciation, (of, loss) => {
      const priceUsdPerGpuHour = minimumPriceUsdPerGpuHour(of, loss) ?? Number.NaN
      const net = netOf({ ...of, priceUsdPerGpuHour }, loss)
      return priceUsdPerGpuHour === 0 ? net >= -1e-9 : isZero(net, 1_000)
    }),
  )
})

test('a rented hour costs less than the price that covers all costs, by what others take', () => {
  fc.assert(
    fc.property(terms, (of) => {
      const plain = { ...of, gasUsdPerDay: 0, extraUsdPerGpuDay: 0 }
      const [cost, price] = [
        costUsdPerGpuHour(plain) ?? Number.NaN,
        minimumPriceUsdPerGpuHour(plain) ?? Number.NaN,
      ]
      return isZero(price * keptShare(plain) - cost, cost)
    }),
  )
})

const states: readonly MachineState[] = ['parked', 'idle', 'working']

test('a parked card never costs more than an idle one, nor an idle one more than one at work', () => {
  fc.assert(
    fc.property(terms, amount(1), (of, usdPerKwh) => {
      const [parked = 0, idle = 0, working = 0] = states.map((state) => hourCostUsd(state, of, usdPerKwh))
      return parked <= idle && idle <= working
    }),
  )
})

test('an hour is never spent in the dearer of the two ways, whatever electricity costs, and even when it pays', () => {
  const hour = fc.record({
    usdPerKwh: fc.double({ min: -1, max: 2, noNaN: true }),
    utilisation: share(0, 1),
    priceUsdPerGpuHour: amount(2),
  })
  fc.assert(
    fc.property(terms, hour, (of, given) => {
      const { isParked, expectedUsd, onlineUsd } = decideParking(of, given)
      return (isParked ? 0 : expectedUsd - onlineUsd) >= Math.max(0, expectedUsd - onlineUsd) - 1e-12
    }),
  )
})

test('an hour that is rented at the marginal price pays its electricity, and at a nano-dollar less it does not', () => {
  fc.assert(
    fc.property(terms, share(0.001, 2), (of, usdPerKwh) => {
      const ask = askOf(marginalPriceUsdPerGpuHour(of, usdPerKwh))
      const paid = (priceNano: bigint) =>
        (Number(priceNano) / Number(NANO_PER_USD)) * of.gpuCount * keptShare(of)
      const extra = hourCostUsd('working', of, usdPerKwh) - hourCostUsd('parked', of, usdPerKwh)
      const rounding = 1e-12 * Math.max(1, extra)
      return paid(ask) >= extra - rounding && paid(ask - 2n) < extra + rounding
    }),
  )
})

test('an ask never stands for less than its price', () => {
  fc.assert(
    fc.property(amount(1_000), (usd) => {
      const ask = askOf(usd)
      assert.ok(ask >= 0n)
      return Number(ask) / Number(NANO_PER_USD) >= usd - 1e-12 * Math.max(1, usd)
    }),
  )
})

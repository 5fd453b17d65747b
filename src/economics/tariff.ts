/**
 * What a kilowatt-hour costs at an instant, in USD: the same all the time, by the hours of the week, or by a list of
 * hours. Where a tariff says nothing, the answer says so: no price is ever made up.
 */
import type { TimestampMs } from '#kernel/time.ts'
import { type PriceSlot, slotAt } from './price-slots.ts'
import type { TariffPrice } from './tariff-price.ts'
import { type TimeOfUse, timeOfUseAt } from './time-of-use.ts'

export type Tariff =
  | { readonly kind: 'flat'; readonly usdPerKwh: number }
  | ({ readonly kind: 'time_of_use' } & TimeOfUse)
  /** In order of time, none over another; there may be gaps. */
  | { readonly kind: 'hourly'; readonly slots: readonly PriceSlot[] }

export function priceAt(tariff: Tariff, atMs: TimestampMs): TariffPrice {
  switch (tariff.kind) {
    case 'flat':
      return { kind: 'known', usdPerKwh: tariff.usdPerKwh, untilAtMs: null }
    case 'time_of_use':
      return timeOfUseAt(tariff, atMs)
    case 'hourly':
      return slotAt(tariff.slots, atMs)
  }
}

/**
 * Reads what common services of hourly electricity prices answer with, whichever it is. Most of them give wholesale
 * prices: grid fees, levies and tax come on top and are for the caller to add (`addPerKwh`, `factor`), never guessed.
 */
import type { z } from 'zod'
import { Problem } from '#protocol/problem.ts'
import { type FeedShape, feedShapes, type RawPrice } from './price-feed-shapes.ts'
import { describeGaps, gapsOf, orderSlots, type PriceSlot } from './price-slots.ts'

export interface FeedOptions {
  /** What one unit of the feed's currency is worth. Needed unless that is USD. */
  readonly usdPerUnit: number | null
  /** In the feed's currency: what each kilowatt-hour costs besides. */
  readonly addPerKwh: number
  /** After the addition: 1.19 adds 19 % of tax. */
  readonly factor: number
  /** Which of the feed's areas, where it has several. */
  readonly area: string | null
}

export interface PriceFeed {
  /** Whose shape it has: `awattar`. */
  readonly shape: string
  readonly currency: string
  readonly slots: readonly PriceSlot[]
  /** Names every gap; `null` when there is none. */
  readonly gaps: string | null
  /** What people must know: that the prices are wholesale, say. */
  readonly notices: readonly string[]
}

/** Beyond it, no price per kilowatt-hour is one: the unit is another. */
const USD_PER_KWH_MAX = 20
export const plainFeed: FeedOptions = { usdPerUnit: null, addPerKwh: 0, factor: 1, area: null }

/** Throws `Problem('config_invalid')` that says what is wrong with the feed, or which shapes are known. */
export function parsePriceFeed(json: unknown, options: FeedOptions = plainFeed): PriceFeed {
  const shape = feedShapes.find(({ schema }) => schema.safeParse(json).success)
  if (!shape) throw unknownShape()
  const prices = inArea(read(shape, json), options.area)
  const currency = currencyOf(prices)
  const usdPerUnit = currency === 'USD' ? 1 : options.usdPerUnit
  if (usdPerUnit === null) {
    throw new Problem(
      'config_invalid',
      `The prices are in ${currency}, everything else is in USD. Say what one ${currency} is worth in USD.`,
    )
  }
  const slots = orderSlots(
    withEnds(prices).map(({ fromAtMs, toAtMs, perKwh }) => ({
      fromAtMs,
      toAtMs,
      usdPerKwh: sane((perKwh + options.addPerKwh) * options.factor * usdPerUnit),
    })),
  )
  const isBare = shape.isWholesale && options.addPerKwh === 0 && options.factor === 1
  const bare =
    'These are wholesale prices: grid fees, levies and tax are not in them. Add what your bill adds.'
  return {
    shape: shape.name,
    currency,
    slots,
    gaps: describeGaps(gapsOf(slots)),
    notices: isBare ? [bare] : [],
  }
}

function read(shape: FeedShape, json: unknown): readonly RawPrice[] {
  const prices = shape.read(shape.schema.parse(json) as z.output<typeof shape.schema>)
  if (prices.length > 0) return prices
  throw new Problem(
    'config_invalid',
    `The price list (${shape.name}) is empty. Ask the service for another day.`,
  )
}

const unknownShape = (): Problem =>
  new Problem(
    'config_invalid',
    `This is no list of electricity prices that Shoal can read. Known are: ${feedShapes.map(({ name }) => name).join(', ')}.`,
  )

function inArea(prices: readonly RawPrice[], area: string | null): readonly RawPrice[] {
  const areas = [...new Set(prices.flatMap((price) => price.area ?? []))].sort()
  const wanted = area ?? (areas.length === 1 ? areas[0] : undefined)
  if (areas.length === 0) return prices
  if (wanted !== undefined && areas.includes(wanted)) return prices.filter((price) => price.area === wanted)
  throw new Problem(
    'config_invalid',
    `The prices are of the areas ${areas.join(', ')}. Say which of them is yours.`,
  )
}

function currencyOf(prices: readonly RawPrice[]): string {
  const currencies = [...new Set(prices.map(({ currency }) => currency.toUpperCase()))].sort()
  const [only] = currencies
  if (only !== undefined && currencies.length === 1) return only
  throw new Problem(
    'config_invalid',
    `The prices are in several currencies (${currencies.join(', ')}). One list must have one currency.`,
  )
}

/** Where a feed gives starts only, each price holds for the step that is most common between them. */
function withEnds(prices: readonly RawPrice[]): { fromAtMs: number; toAtMs: number; perKwh: number }[] {
  const starts = [...new Set(prices.map(({ fromAtMs }) => fromAtMs))].sort((a, b) => a - b)
  const counts = new Map<number, number>()
  for (const [index, start] of starts.entries()) {
    const next = starts[index + 1]
    if (next !== undefined) counts.set(next - start, (counts.get(next - start) ?? 0) + 1)
  }
  const [common] = [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0])
  const stepMs = common?.[0] ?? null
  return prices.map(({ fromAtMs, toAtMs, perKwh }) => {
    const end = toAtMs ?? (stepMs === null ? null : fromAtMs + stepMs)
    if (end !== null) return { fromAtMs, toAtMs: end, perKwh }
    throw new Problem(
      'config_invalid',
      'A single price without an end says for no time what it costs. Give more hours.',
    )
  })
}

function sane(usdPerKwh: number): number {
  if (Math.abs(usdPerKwh) <= USD_PER_KWH_MAX) return usdPerKwh
  throw new Problem(
    'config_invalid',
    `A price comes to ${usdPerKwh.toFixed(2)} USD/kWh. Is it per MWh, or in cents? Expected at most ${USD_PER_KWH_MAX}.`,
  )
}

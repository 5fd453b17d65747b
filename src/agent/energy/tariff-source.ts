/**
 * What electricity costs, from wherever its owner said: a price for always, a tariff file, or prices by the hour from a
 * file or an address. A time without a price stays without one, unless the owner gave a price for just that case.
 */
import { describeGaps, gapsOf } from '#economics/price-slots.ts'
import { priceAt, type Tariff } from '#economics/tariff.ts'
import type { ReadTariff } from '#economics/tariff-file.ts'
import { HOUR_MS, MINUTE_MS } from '#kernel/time.ts'
import { type Problem, toProblem } from '#protocol/problem.ts'
import type { PriceSlot } from '../park.ts'
import type { PriceAt } from './hour-book.ts'
import { createTariffReader, isAddress, type TariffParts } from './read-tariff.ts'

export interface TariffSource {
  /** The price at a time, and who says so; `null` where nobody does. */
  readonly at: PriceAt
  /** The prices from `fromMs` to `toMs`, each from when it holds; `null` is a time without one. */
  slots(fromMs: number, toMs: number): PriceSlot[]
  /** Looks again where the prices come from, when it is time to. Never rejects: `problem` tells what is wrong. */
  refresh(): Promise<void>
  /** What is wrong, in a sentence that names the hours without a price; `null` while all is well. */
  problem(): string | null
  /** What people must know about prices that are fine as such: that they are wholesale, say. */
  notices(): readonly string[]
}

export interface TariffOptions {
  /** The price for always, or where the tariff has none. */
  readonly usdPerKwh: number | null
  readonly tariff: string | null
  readonly usdPerUnit: number | null
  /** By whose clocks the tariff is, where it does not say so itself. */
  readonly timeZone?: string | null
}

const REFRESH_MS = HOUR_MS
const RETRY_MS = 5 * MINUTE_MS
/** How far a time without a price is stepped over. */
const UNKNOWN_STEP_MS = 15 * MINUTE_MS

/** Opens the source. Rejects with `Problem('config_invalid')` for a file that cannot be read or is no tariff. */
export async function openTariffSource(parts: TariffParts, options: TariffOptions): Promise<TariffSource> {
  const { usdPerKwh, tariff: place, usdPerUnit, timeZone = null } = options
  const flat: Tariff | null = usdPerKwh === null ? null : { kind: 'flat', usdPerKwh }
  if (place === null) return flatSource(flat)
  const { clock } = parts
  const reader = createTariffReader(parts, { place, usdPerUnit, timeZone })
  const name = isAddress(place) ? new URL(place).host : place
  let known: ReadTariff | null = reader.readCache()
  let failure: Problem | null = null
  let nextMs = Number.NEGATIVE_INFINITY

  const priceOf = (tariff: Tariff | null, atMs: number): number | null => {
    const price = tariff && priceAt(tariff, atMs)
    return price?.kind === 'known' ? price.usdPerKwh : null
  }

  const at: PriceAt = (atMs) => {
    const own = priceOf(known?.tariff ?? null, atMs)
    if (own !== null) return { usdPerKwh: own, source: name }
    const other = priceOf(flat, atMs)
    return other === null ? null : { usdPerKwh: other, source: FLAT }
  }

  async function refresh(): Promise<void> {
    const nowMs = clock.nowMs()
    if (nowMs < nextMs) return
    try {
      known = await reader.read(known)
      failure = null
    } catch (error) {
      failure = toProblem(error)
    }
    const isWell = failure === null && priceOf(known?.tariff ?? null, nowMs) !== null
    nextMs = nowMs + (isWell ? REFRESH_MS : RETRY_MS)
  }

  await refresh()
  // What the owner wrote wrong is for the owner to mend before it serves; an address may be away for a while.
  if (failure !== null && (failure as Problem).code === 'config_invalid') throw failure

  return {
    at,
    refresh,
    notices: () => known?.notices ?? [],
    slots: (fromMs, toMs) => cutAtPrices({ fromMs, toMs }, [known?.tariff ?? null, flat]),
    problem() {
      const missing = describeMissing(known?.tariff ?? null, clock.nowMs())
      if (failure === null && missing === null) return null
      const renewal = failure ? [`The prices of electricity could not be renewed: ${failure.message}`] : []
      const instead = flat ? `There --kwh ${usdPerKwh} counts.` : 'There the node keeps its ask.'
      return [...renewal, ...(missing === null ? [] : [missing, instead])].join(' ')
    },
  }
}

const FLAT = '--kwh'

/** One price for always, or none at all: then there is nothing that could be wrong. */
function flatSource(flat: (Tariff & { readonly kind: 'flat' }) | null): TariffSource {
  const price = flat && { usdPerKwh: flat.usdPerKwh, source: FLAT }
  return {
    at: () => price,
    slots: (fromMs) => [{ fromMs, usdPerKwh: flat?.usdPerKwh ?? null }],
    refresh: async () => undefined,
    problem: () => null,
    notices: () => [],
  }
}

/** Which of the hours from now on lack a price, as far ahead as a price is known, and this hour in any case. */
function describeMissing(tariff: Tariff | null, nowMs: number): string | null {
  const fromAtMs = Math.floor(nowMs / HOUR_MS) * HOUR_MS
  if (tariff === null) return describeGaps([{ fromAtMs, toAtMs: fromAtMs + HOUR_MS }])
  if (tariff.kind === 'hourly') {
    const lastMs = tariff.slots.at(-1)?.toAtMs ?? 0
    return describeGaps(gapsOf(tariff.slots, { fromAtMs, toAtMs: Math.max(lastMs, fromAtMs + HOUR_MS) }))
  }
  const price = priceAt(tariff, nowMs)
  return price.kind === 'unknown' ? price.why : null
}

/** The first of `tariffs` that has a price at a time gives it. */
function cutAtPrices(
  { fromMs, toMs }: { fromMs: number; toMs: number },
  tariffs: readonly (Tariff | null)[],
): PriceSlot[] {
  const slots: PriceSlot[] = []
  for (let atMs = fromMs; atMs < toMs; ) {
    const prices = tariffs.map((tariff) => (tariff ? priceAt(tariff, atMs) : null))
    const known = prices.find((price) => price?.kind === 'known') ?? null
    slots.push({ fromMs: atMs, usdPerKwh: known?.kind === 'known' ? known.usdPerKwh : null })
    // Where the first has none, it may have one again soon, whatever the second says.
    const isFirst = known !== null && known === prices[0]
    const untilMs = isFirst && known.kind === 'known' ? (known.untilAtMs ?? toMs) : nextStep(atMs)
    atMs = Math.max(untilMs, atMs + 1)
  }
  return slots
}

const nextStep = (atMs: number): number => (Math.floor(atMs / UNKNOWN_STEP_MS) + 1) * UNKNOWN_STEP_MS

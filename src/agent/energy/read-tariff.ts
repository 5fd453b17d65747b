/** Reads a tariff from a file or an address, and keeps the prices of an address for the time when it is away. */
import { z } from 'zod'
import { parsePriceFeed, plainFeed } from '#economics/price-feed.ts'
import { mergeHourly, parseTariff, type ReadTariff, type ZoneOffsets } from '#economics/tariff-file.ts'
import type { EnergyStore } from '#host/energy-store.ts'
import type { Clock } from '#host/host.ts'
import type { Machine } from '#host/machine.ts'
import type { TimeZones, UtcOffset } from '#host/time-zones.ts'
import { DAY_MS, MINUTE_MS } from '#kernel/time.ts'
import type { Fetch } from '#protocol/client.ts'
import { Problem } from '#protocol/problem.ts'
import { type FetchLimits, fetchText } from './fetch-text.ts'

export interface TariffReader {
  /** What was known when the agent last ran; `null` for a file, and before the first time. */
  readCache(): ReadTariff | null
  /** The tariff now, with the prices of `before` beside it. Rejects with the `Problem` of what is wrong. */
  read(before: ReadTariff | null): Promise<ReadTariff>
}

export interface TariffParts {
  readonly clock: Pick<Clock, 'nowMs' | 'after'>
  readonly fetch: Fetch
  readonly machine: Pick<Machine, 'readFile'>
  readonly store: Pick<EnergyStore, 'read' | 'write'>
  /** Without them a tariff by the time of use has to say its offsets to UTC itself. */
  readonly zones?: TimeZones
}

/** Where a tariff is, and in what money a bare list of prices is. */
export interface TariffPlace {
  /** A file, or an http address, in which `{date}`, `{year}`, `{month}` and `{day}` are today's and tomorrow's. */
  readonly place: string
  /** What one unit of its currency is worth; a tariff file says that itself. */
  readonly usdPerUnit: number | null
  /** By whose clocks it is, where it does not say so itself: its periods, and the day of an address. */
  readonly timeZone?: string | null
}

const LIMITS: FetchLimits = { timeoutMs: 20_000, bytesMax: 4 * 1024 * 1024 }
/** Prices older than this are of no use any more. */
const KEPT_MS = 2 * DAY_MS
const CACHE = 'tariff-prices'

export const isAddress = (place: string): boolean => /^https?:\/\//.test(place) && URL.canParse(place)

export function createTariffReader(
  parts: TariffParts,
  { place, usdPerUnit, timeZone = null }: TariffPlace,
): TariffReader {
  const { clock, machine, store } = parts

  function parse(json: unknown): ReadTariff {
    if (isTariffFile(json)) return parseTariff(json, { offsetsOf, timeZone })
    const feed = parsePriceFeed(json, { ...plainFeed, usdPerUnit })
    return { tariff: { kind: 'hourly', slots: feed.slots }, notices: feed.notices }
  }

  const offsetsOf: ZoneOffsets | undefined = parts.zones && ((zone) => zoneOffsets(parts, zone))

  async function readAddress(
    address: string,
    parseFeed: (feed: unknown) => ReadTariff,
    before: ReadTariff | null,
  ): Promise<ReadTariff> {
    const nowMs = clock.nowMs()
    const fillIn = (text: string, atMs: number): string => fillInDay(text, localTime(parts, atMs, timeZone))
    const ask = async (dayMs: number): Promise<ReadTariff> =>
      parseFeed(await fetchJson(parts, fillIn(address, dayMs)))
    const today = await ask(nowMs)
    // Tomorrow's are published around noon; before that there are none, and nothing is wrong.
    const isDaily = fillIn(address, nowMs) !== address
    const tomorrow = isDaily ? await ask(nowMs + DAY_MS).catch(() => null) : null
    const merged = [today, ...(tomorrow ? [tomorrow] : [])].reduce(
      (known, later) => join(known, later, nowMs - KEPT_MS),
      before,
    )
    const { tariff } = merged ?? today
    if (tariff.kind === 'hourly') store.write(CACHE, JSON.stringify({ place, slots: tariff.slots }))
    return { tariff, notices: today.notices }
  }

  return {
    readCache() {
      const cached = Cached.safeParse(parseText(store.read(CACHE) ?? '')).data
      return cached?.place === place ? { tariff: { kind: 'hourly', slots: cached.slots }, notices: [] } : null
    },
    async read(before) {
      if (isAddress(place)) return readAddress(place, parse, before)
      const text = machine.readFile(place)
      if (text === null)
        throw refused(`The tariff ${place} cannot be read. Is it there, and readable for this user?`)
      const json = parseText(text)
      if (json === undefined) throw refused(`The tariff ${place} is not JSON.`)
      const address = feedAddressOf(json)
      if (address === null) return parse(json)
      return readAddress(
        address,
        (feed) => parseTariff({ ...(json as object), feed }, { offsetsOf, timeZone }),
        before,
      )
    },
  }
}

const Cached = z.object({
  place: z.string(),
  slots: z.array(z.object({ fromAtMs: z.number(), toAtMs: z.number(), usdPerKwh: z.number() })),
})

const isTariffFile = (json: unknown): boolean => typeof json === 'object' && json !== null && 'kind' in json

/** Where the prices of a tariff file are, when it names an address in their place. */
function feedAddressOf(json: unknown): string | null {
  if (typeof json !== 'object' || json === null || !('feed' in json)) return null
  return typeof json.feed === 'string' && isAddress(json.feed) ? json.feed : null
}

/** The hours of both; the later list wins, and what is older than `fromMs` goes. */
function join(earlier: ReadTariff | null, later: ReadTariff, fromMs: number): ReadTariff {
  if (earlier?.tariff.kind !== 'hourly' || later.tariff.kind !== 'hourly') return later
  const slots = earlier.tariff.slots.filter((slot) => slot.toAtMs > fromMs)
  return mergeHourly({ kind: 'hourly', slots }, later.tariff)
}

async function fetchJson(parts: TariffParts, address: string): Promise<unknown> {
  const url = new URL(address)
  const { status, text } = await fetchText(parts, { url, headers: { accept: 'application/json' } }, LIMITS)
  if (status !== 200)
    throw new Problem('unavailable', `${url.host} answers with status ${status}, not with prices.`)
  const json = parseText(text)
  if (json === undefined)
    throw new Problem('unavailable', `${url.host} answers with something that is not JSON.`)
  return json
}

/** Over these years the clocks of a tariff are known: those on record, and far enough ahead. */
const ZONE_PAST_MS = 400 * DAY_MS
const ZONE_AHEAD_MS = 800 * DAY_MS

function zoneOffsets({ clock, zones }: TariffParts, zone: string): readonly UtcOffset[] | null {
  const nowMs = clock.nowMs()
  return zones?.offsets(zone, { fromMs: nowMs - ZONE_PAST_MS, toMs: nowMs + ZONE_AHEAD_MS }) ?? null
}

/** The instant whose date in UTC is that of the local calendar; UTC itself where no zone is said. */
function localTime(parts: TariffParts, atMs: number, zone: string | null): number {
  const offset = zone === null ? null : zoneOffsets(parts, zone)?.findLast(({ fromAtMs }) => fromAtMs <= atMs)
  return atMs + (offset?.minutes ?? 0) * MINUTE_MS
}

/** `{date}` as `2026-11-22`, and its parts. */
function fillInDay(address: string, atMs: number): string {
  const [year = '', month = '', day = ''] = new Date(atMs).toISOString().slice(0, 10).split('-')
  const parts: Readonly<Record<string, string>> = { date: `${year}-${month}-${day}`, year, month, day }
  return address.replace(/\{(\w+)\}|%7B(\w+)%7D/gi, (whole, plain?: string, coded?: string) => {
    return parts[plain ?? coded ?? ''] ?? whole
  })
}

const refused = (message: string): Problem => new Problem('config_invalid', message)

function parseText(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // Whoever asked says what it was that is no JSON.
  }
}

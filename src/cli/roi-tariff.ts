/** `--tariff` of `shoal roi`: the mean price of the tariff with which a node would run. */
import { parsePriceFeed, plainFeed } from '#economics/price-feed.ts'
import { parseTariff, type ReadTariff } from '#economics/tariff-file.ts'
import { meanOfTariff, type TariffMean } from '#economics/tariff-mean.ts'
import { DAY_MS } from '#kernel/time.ts'
import { Problem } from '#protocol/problem.ts'
import type { CliContext } from './context.ts'
import { readPlace } from './token-series.ts'

export interface TariffFlags {
  readonly tariff?: string | undefined
  readonly timeZone?: string | undefined
  readonly usdPer?: Readonly<Record<string, number>> | undefined
}

const ZONE_YEARS_MS = 800 * DAY_MS

/** `null` without `--tariff`. Rejects with a `Problem` that says what is wrong with it. */
export async function readTariffMean(
  context: Pick<CliContext, 'readFile' | 'fetch' | 'clock' | 'timeZones'>,
  { tariff: place, timeZone, usdPer }: TariffFlags,
): Promise<TariffMean | null> {
  if (place === undefined) {
    if (timeZone === undefined) return null
    throw new Problem('config_invalid', '--time-zone says by whose clocks a tariff is: give --tariff too.')
  }
  const nowMs = context.clock.nowMs()
  const { text, source } = await readPlace(context, place)
  const json = parseJson(text, source)
  const offsetsOf = (zone: string) =>
    context.timeZones.offsets(zone, { fromMs: nowMs - ZONE_YEARS_MS, toMs: nowMs + ZONE_YEARS_MS })
  const { tariff, notices } = isTariffFile(json)
    ? parseTariff(json, { offsetsOf, timeZone })
    : bareFeed(json, usdPer ?? {})
  // Reports are handed on: its folder is nobody's business.
  const mean = meanOfTariff(tariff, { name: source.replace(/^.*[\\/]/, ''), nowMs, notices })
  if (mean) return mean
  throw new Problem('config_invalid', `The tariff ${source} has no price for any hour.`)
}

const isTariffFile = (json: unknown): boolean => typeof json === 'object' && json !== null && 'kind' in json

/** What a service answered, as it is. Its currency is told first, so that the rate for it can be found. */
function bareFeed(json: unknown, usdPer: Readonly<Record<string, number>>): ReadTariff {
  const { currency } = parsePriceFeed(json, { ...plainFeed, usdPerUnit: 1 })
  const usdPerUnit = usdPer[currency] ?? null
  if (currency !== 'USD' && usdPerUnit === null)
    throw new Problem(
      'config_invalid',
      `The tariff is in ${currency}, everything else is in USD: say what one ${currency} is worth, as --usd-per ${currency}=1.17.`,
    )
  const { slots, notices, gaps } = parsePriceFeed(json, { ...plainFeed, usdPerUnit })
  return { tariff: { kind: 'hourly', slots }, notices: [...notices, ...(gaps === null ? [] : [gaps])] }
}

function parseJson(text: string, source: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new Problem('config_invalid', `The tariff ${source} is not JSON.`, { cause })
  }
}

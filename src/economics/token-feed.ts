/**
 * Reads a series of token prices, in USD, out of what people have: a list of dates and prices as JSON or CSV, or the
 * answer of a price service. No price is made up between two others, and none after the last.
 */
import { z } from 'zod'
import { DAY_MS, type TimestampMs } from '#kernel/time.ts'
import { Problem } from '#protocol/problem.ts'
import type { TokenPrice } from './token-history.ts'
import type { TokenSeries } from './token-past.ts'

interface RawSeries {
  readonly token: string | null
  readonly prices: readonly (readonly [at: string | number, usd: number])[]
}

const At = z.union([z.string().max(40), z.number()])
const Token = z.string().regex(/^[A-Za-z0-9]{1,12}$/)

const Own = z
  .object({
    token: Token.optional(),
    currency: z.string().optional(),
    prices: z.array(z.object({ at: At, usd: z.number() })),
  })
  .transform(
    ({ token, prices }): RawSeries => ({
      token: token ?? null,
      prices: prices.map(({ at, usd }) => [at, usd] as const),
    }),
  )
/** CoinGecko's `market_chart`: milliseconds and prices. */
const MarketChart = z
  .object({ prices: z.array(z.tuple([z.number(), z.number()])) })
  .transform(({ prices }): RawSeries => ({ token: null, prices }))
/** Binance's klines: the opening time, and as texts the opening, highest, lowest and closing price. */
const Klines = z
  .array(z.tuple([z.number(), z.string(), z.string(), z.string(), z.string()]).rest(z.unknown()))
  .transform(
    (rows): RawSeries => ({
      token: null,
      prices: rows.map(([at, , , , close]) => [at, Number(close)] as const),
    }),
  )
const Rows = z
  .array(z.object({ date: At, price: z.number() }))
  .transform((rows): RawSeries => ({ token: null, prices: rows.map(({ date, price }) => [date, price]) }))
const shapes = [Own, MarketChart, Klines, Rows]

const PRICES_MIN = 3
const USD_MAX = 1e9

/**
 * The series in `text`, one price a day (the last of each day, UTC). `token` is what it is of, where the text does not say.
 * Throws `Problem('config_invalid')` that says what is wrong.
 */
export function parseTokenSeries(
  text: string,
  { source, token }: { readonly source: string; readonly token: string | null },
): TokenSeries {
  const raw = read(text, source)
  const name = (token ?? raw.token)?.toUpperCase()
  if (name === undefined)
    throw refused(
      `${source} does not say which token its prices are of: give its name before it, as AKT=${source}.`,
    )
  if (raw.token !== null && raw.token.toUpperCase() !== name)
    throw refused(`${source} has prices of ${raw.token}, not of ${name}.`)
  const prices = daily(raw.prices.map((price) => checked(price, source)))
  if (prices.length >= PRICES_MIN) return { token: name, source, prices }
  throw refused(
    `${source} has prices of ${prices.length} ${prices.length === 1 ? 'day' : 'days'}: a history takes ${PRICES_MIN} at least.`,
  )
}

function read(text: string, source: string): RawSeries {
  const json = jsonOf(text)
  if (json === undefined) return readLines(text, source)
  for (const shape of shapes) {
    const result = shape.safeParse(json)
    if (result.success) return result.data
  }
  throw refused(
    `${source} is no series of token prices that Shoal can read. Expected {"token": "AKT", "prices": [{"at": "2026-01-31", "usd": 1.25}, …]}, lines of date,price, or the answer of a price service (CoinGecko's market_chart, Binance's klines).`,
  )
}

/** `2026-01-31,1.25`: a first line of names is passed over. */
function readLines(text: string, source: string): RawSeries {
  const lines = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
  const [first = '', ...rest] = lines
  const body = /\d/.test(first) ? lines : rest
  const prices = body.map((line) => {
    const [, at, usd] = /^"?([^,;"]+)"?\s*[,;]\s*"?(-?\d+(?:\.\d+)?(?:e-?\d+)?)"?$/i.exec(line) ?? []
    if (at === undefined)
      throw refused(`${source} has a line that is no date and price: "${line.slice(0, 60)}".`)
    return [at, Number(usd)] as const
  })
  return { token: null, prices }
}

function checked([at, usd]: RawSeries['prices'][number], source: string): TokenPrice {
  const atMs = instantOf(at)
  if (atMs === null)
    throw refused(`${source} has a price at "${at}", which is no date: expected one as 2026-01-31.`)
  if (usd > 0 && usd <= USD_MAX) return { atMs, usd }
  throw refused(`${source} has a price of ${usd} USD on ${dayOf(atMs)}: a price is above zero.`)
}

/** Seconds are told from milliseconds by their size. */
function instantOf(at: string | number): TimestampMs | null {
  const value = typeof at === 'number' ? (at < 1e11 ? at * 1_000 : at) : Date.parse(at)
  return Number.isFinite(value) && value > 0 && value < 1e13 ? value : null
}

function daily(prices: readonly TokenPrice[]): TokenPrice[] {
  const ofDays = new Map<number, TokenPrice>()
  for (const price of [...prices].sort((a, b) => a.atMs - b.atMs)) {
    const day = Math.floor(price.atMs / DAY_MS) * DAY_MS
    ofDays.set(day, { atMs: day, usd: price.usd })
  }
  return [...ofDays.values()]
}

const dayOf = (atMs: number): string => new Date(atMs).toISOString().slice(0, 10)
const refused = (message: string): Problem => new Problem('config_invalid', message)

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // Then it may be lines.
  }
}

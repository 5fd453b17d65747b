/** Fetches the series of token prices that the owner named: from a file, or from an address. */
import { parseTokenSeries } from '#economics/token-feed.ts'
import type { TokenSeries } from '#economics/token-past.ts'
import { Problem } from '#protocol/problem.ts'
import type { CliContext } from './context.ts'
import type { TokenSource } from './roi-options.ts'

const BYTES_MAX = 8 * 1024 * 1024

/** Each series once. Rejects with a `Problem` that names the file or the host, and what is wrong there. */
export async function readTokenSeries(
  context: Pick<CliContext, 'readFile' | 'fetch'>,
  sources: readonly TokenSource[] = [],
): Promise<TokenSeries[]> {
  const series = await Promise.all(
    sources.map(async ({ token, place }) => {
      const { text, source } = await readPlace(context, place)
      const one = parseTokenSeries(text, { source, token })
      // Reports are handed on, and which folders somebody has is nobody's business.
      return { ...one, source: source.replace(/^.*[\\/]/, '') }
    }),
  )
  const names = series.map(({ token }) => token)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice === undefined) return series
  throw new Problem('config_invalid', `There are two series of ${twice} prices. Give one.`)
}

/** The text of a file or of what an address answers, and what to call it. */
export async function readPlace(
  context: Pick<CliContext, 'readFile' | 'fetch'>,
  place: string,
): Promise<{ text: string; source: string }> {
  if (!/^https?:\/\//.test(place)) {
    const text = await context.readFile(place)
    if (text !== null) return { text, source: place }
    throw new Problem('not_found', `There is no file ${place}. Is its name right?`)
  }
  if (!URL.canParse(place)) throw new Problem('config_invalid', `${place} is no address.`)
  const { host } = new URL(place)
  const response = await context.fetch(
    new Request(place, { headers: { accept: 'application/json, text/csv' } }),
  )
  if (!response.ok)
    throw new Problem('unavailable', `${host} answers with status ${response.status}, not with prices.`)
  const text = await response.text()
  if (text.length > BYTES_MAX) throw new Problem('body_too_large', `${host} answers with more than 8 MiB.`)
  return { text, source: host }
}

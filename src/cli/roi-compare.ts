/** `shoal roi compare`: where a machine should work, and why. */
import { ADVICE_PATHS, adviseNetworks } from '#economics/advisor.ts'
import { assess } from '#economics/economics.ts'
import type { MachineFacts } from '#economics/network-fit.ts'
import type { TokenQuote } from '#economics/network-outlook.ts'
import type { Known } from '#economics/resolve-roi.ts'
import { Problem } from '#protocol/problem.ts'
import type { CliContext } from './context.ts'
import type { GlobalOptions } from './credentials.ts'
import { formatTime } from './format.ts'
import { pageOf } from './report-page.ts'
import { type Comparison, formatAdvice } from './roi-advice.ts'
import type { RoiOptions } from './roi-options.ts'
import { noteAnswers, type PreparedRoi, prepareRoi, refusalOf } from './roi-prepare.ts'

export interface CompareOptions extends RoiOptions, GlobalOptions {
  readonly os?: 'linux' | 'windows' | 'macos'
  readonly ram?: number
  readonly storage?: number
  readonly down?: number
  readonly up?: number
  readonly dedicated?: boolean
  readonly powerLimited?: boolean
  readonly stake?: number
  readonly tokenUsd?: Readonly<Record<string, number>>
  readonly networkPrice?: Readonly<Record<string, number>>
}

/** Prints the networks in order. Rejects with `Problem('invalid_request')` for an input that cannot be right. */
export async function runCompare(context: CliContext, options: CompareOptions): Promise<void> {
  const prepared = await prepareRoi(context, options)
  const comparison = compareNetworks(prepared, options)
  const { report, months, tolerance, rows } = comparison
  const { gpu, unknowns } = report
  const document = { gpu, months, risk: tolerance, seed: options.seed, unknowns, networks: rows }
  context.stdout.write(
    options.json
      ? `${JSON.stringify(document, null, 2)}\n`
      : `${formatAdvice(comparison, pageOf(context))}\n`,
  )
  noteAnswers(context, prepared, 'roi compare')
}

/** All networks, whichever the input names. Throws `Problem('invalid_request')` for what cannot be right. */
export function compareNetworks(
  {
    catalogue,
    known: before,
    input: { network: _network, ...input },
  }: Pick<PreparedRoi, 'catalogue' | 'input' | 'known'>,
  options: CompareOptions,
): Comparison {
  const known = elsewhere(before)
  const networkIds = catalogue.networks.map(({ id }) => id)
  const tokens = catalogue.networks.flatMap(({ terms }) => terms.payout_token ?? [])
  const tolerance = options.risk
  const report = assess(catalogue, input, { ...known, paths: 0 })
  if (report.kind === 'refused') throw refusalOf(report.problems)
  const advice = adviseNetworks(catalogue, {
    input,
    known,
    priceUsdPerGpuHour: ratesOf('--network-price', options.networkPrice, networkIds),
    tokenUsd: quotesOf(ratesOf('--token-usd', options.tokenUsd, tokens), known.nowMs ?? 0),
    paths: ADVICE_PATHS,
    seed: options.seed,
    machine: machineOf(options),
    tolerance,
  })
  if (advice.kind === 'refused') throw refusalOf(advice.problems)
  const { tokenSeries = [] } = known
  return { report, tolerance, months: advice.months, rows: advice.rows, tokenSeries }
}

/** What a node sold, and for how much, on its own network says nothing of the others; its watts and its bill do. */
function elsewhere(known: Known): Known {
  const { measured } = known
  if (!measured) return known
  const { pricePerGpuHour: _price, utilisation: _utilisation, takeShare: _take, ...rest } = measured
  return { ...known, measured: rest }
}

type Rates = Readonly<Record<string, number>>

/** A name that means nothing would change nothing, in silence. */
function ratesOf(flag: string, rates: Rates | undefined, known: readonly string[]): Rates {
  const strange = Object.keys(rates ?? {}).find((name) => !known.includes(name))
  if (strange === undefined) return rates ?? {}
  throw new Problem('invalid_request', `${flag} knows no "${strange}". It knows: ${known.join(', ')}.`)
}

/** What was not said is not known, and excludes nothing. */
const machineOf = (options: CompareOptions): MachineFacts => ({
  os: options.os ?? null,
  ramGb: options.ram ?? null,
  storageGb: options.storage ?? null,
  downMbps: options.down ?? null,
  upMbps: options.up ?? null,
  isPowerLimited: options.powerLimited ?? null,
  isDedicated: options.dedicated ?? null,
  stakeBudgetUsd: options.stake ?? null,
})

const quotesOf = (prices: Rates, nowMs: number): Record<string, TokenQuote> =>
  Object.fromEntries(
    Object.entries(prices).map(([token, usd]) => [
      token,
      { usd, source: 'you', asOf: formatTime(nowMs).slice(0, 10) },
    ]),
  )

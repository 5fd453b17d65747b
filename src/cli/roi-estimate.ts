import { assess, PATHS, type RoiReport } from '#economics/economics.ts'
import type { RoiInput } from '#economics/roi-input.ts'
import { tokenRiskOf } from '#economics/token-risk.ts'
import type { CliContext } from './context.ts'
import type { GlobalOptions } from './credentials.ts'
import { type Page, pageOf, paragraph } from './report-page.ts'
import { compareNetworks } from './roi-compare.ts'
import { writeFiles } from './roi-files.ts'
import { formatHistory, type WithoutRecord } from './roi-live.ts'
import type { RoiOptions } from './roi-options.ts'
import {
  type Grounds,
  noteAnswers,
  type PreparedRoi,
  prepareRoi,
  readGrounds,
  refusalOf,
} from './roi-prepare.ts'
import { formatReport } from './roi-report.ts'
import { formatTokens } from './roi-tokens.ts'

type Options = RoiOptions & GlobalOptions

/** Prints what the machine earns. Rejects with `Problem('invalid_request')` for an input that cannot be right. */
export async function runEstimate(context: CliContext, options: Options): Promise<void> {
  if (options.live) return runLive(context, options)
  const prepared = await prepareRoi(context, options)
  const report = assessed(prepared, options)
  const isRanked = !options.json || options.html !== undefined || options.png !== undefined
  const ranking = isRanked ? rankingOf(report, prepared, options) : null
  if (options.json) context.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
  else {
    const page = pageOf(context)
    const parts = [formatReport(report, page, ranking), tokensOf(prepared, page)].filter(
      (part) => part !== '',
    )
    context.stdout.write(`${parts.join('\n\n')}\n`)
  }
  await writeFiles(context, options, { report, ranking, prepared })
  noteAnswers(context, prepared, 'roi')
}

/** The tokens that the owner gave prices of, and that of the network that the forecast is on. */
function tokensOf({ catalogue, input, known }: PreparedRoi, page: Page): string {
  const { tokenSeries: series = [] } = known
  const network = catalogue.networks.find(({ id }) => id === input.network?.trim().toLowerCase())
  const risk = network ? tokenRiskOf(catalogue, network, series) : null
  return formatTokens({ risks: risk ? [risk] : [], series }, page)
}

export function assessed(
  { catalogue, input, known }: Pick<PreparedRoi, 'catalogue' | 'input' | 'known'>,
  { seed }: Pick<RoiOptions, 'seed'>,
  paths = PATHS,
): RoiReport {
  const report = assess(catalogue, input, { ...known, seed, paths })
  if (report.kind === 'refused') throw refusalOf(report.problems)
  return report
}

/** Whoever asks what a card earns asks next where: without the numbers of a day there is nothing to compare. */
export const rankingOf = (report: RoiReport, prepared: PreparedRoi, options: Options) =>
  report.account && compareNetworks(prepared, options)

/** `--live`: the node's own figures in place of assumptions, and the whole forecast where its GPU is known. */
async function runLive(context: CliContext, options: Options): Promise<void> {
  const grounds = await readGrounds(context, options)
  const { history } = grounds
  if (history === null) return
  const gpu = gpuOf(grounds)
  const page = pageOf(context)
  if (gpu === null) {
    if (options.json) return context.stdout.write(`${JSON.stringify({ live: history }, null, 2)}\n`)
    const noGpu = `${whyNoGpu(grounds)} What the node measured of itself is below; for a forecast say which GPU it is (--gpu).`
    return context.stdout.write(`${paragraph(noGpu, page)}\n\n${formatHistory(history, null, page)}\n`)
  }
  const prepared = { ...grounds, input: { ...grounds.given, gpu }, hasAsked: false }
  const report = assessed(prepared, options)
  const ranking = rankingOf(report, prepared, options)
  if (options.json) context.stdout.write(`${JSON.stringify({ ...report, live: history }, null, 2)}\n`)
  else {
    const live = formatHistory(history, withoutRecord(prepared, options), page)
    context.stdout.write(`${formatReport(report, page, ranking, live)}\n`)
  }
  await writeFiles(context, options, { report, ranking, prepared })
}

function gpuOf({ given, ownGpus }: Grounds): RoiInput['gpu'] | null {
  if (given.gpu !== undefined) return given.gpu
  return ownGpus?.match.kind === 'found' ? ownGpus.match.gpu.id : null
}

const whyNoGpu = ({ ownGpus }: Grounds): string =>
  ownGpus
    ? `The GPU of this machine, "${ownGpus.name}", is not in the catalogue${ownGpus.match.kind === 'unknown' ? `; closest are: ${ownGpus.match.closest.map(({ name }) => name).join(', ')}` : ''}.`
    : 'No driver tells of a GPU in this machine.'

/** The same question to somebody who knows nothing of the node but what its electricity costs. */
function withoutRecord(prepared: PreparedRoi, options: Options): WithoutRecord {
  const { measured } = prepared.known
  const { electricityPerKwh, source = '', asOf = '' } = measured ?? {}
  const bill = electricityPerKwh === undefined ? null : { electricityPerKwh, source, asOf }
  const known = { ...prepared.known, measured: bill }
  const { inputs, account } = assessed({ ...prepared, known }, options, 0)
  return {
    inputs,
    day: {
      incomeUsd: account?.revenueUsdPerDay ?? null,
      energyKwh: account?.energyKwhPerDay ?? null,
      electricityUsd: account?.electricityUsdPerDay ?? null,
    },
  }
}

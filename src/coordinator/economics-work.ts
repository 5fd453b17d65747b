/**
 * What the API answers about economics, computed. Runs in a thread of its own: a forecast takes a third of a second, and
 * whatever fails here fails there. Answers are checked against their schema before they leave, so that the thread that
 * asked has nothing to fear of them.
 */
import { z } from 'zod'
import { ADVICE_PATHS, adviseNetworks } from '#economics/advisor.ts'
import { type Catalogue, type CatalogueFiles, parseCatalogue } from '#economics/catalogue.ts'
import { assess, PATHS, type RoiReport } from '#economics/economics.ts'
import type { Place } from '#economics/electricity-data.ts'
import type { Gpu } from '#economics/gpu-data.ts'
import { marketPriceOf } from '#economics/market-price.ts'
import type { RoiInput } from '#economics/roi-input.ts'
import { parseRoiQuery, type RoiQuery } from '#economics/roi-query.ts'
import {
  type GpuFacts,
  GpuList,
  NetworkComparison,
  type PlaceFacts,
  PlaceList,
  RoiReply,
} from '#protocol/economics.ts'

/** Parameters of a call, by name. */
export type Said = Readonly<Record<string, string>>

/** `said` is not read by the lists. */
export interface EconomicsJob {
  readonly call: 'gpus' | 'places' | 'roi' | 'networks'
  readonly said: Said
  readonly files: CatalogueFiles
  readonly nowMs: number
}

/** A reply in wire form, or in one sentence after the other what cannot be right. */
export type EconomicsAnswer =
  | { readonly kind: 'reply'; readonly reply: unknown }
  | { readonly kind: 'refused'; readonly message: string }

/** Throws only for a bug, or for data files that are not the shipped ones. */
export function answerEconomics({ call, said, files, nowMs }: EconomicsJob): EconomicsAnswer {
  const catalogue = parseCatalogue(files)
  if (call === 'gpus') return reply(GpuList, { gpus: catalogue.gpus.map((gpu) => gpuFacts(gpu, catalogue)) })
  if (call === 'places')
    return reply(PlaceList, { places: catalogue.places.map((one) => placeFacts(one, catalogue)) })
  const { query, problems } = parseRoiQuery(said, catalogue)
  if (query.gpu === null || problems.length > 0) return refusal(problems.length > 0 ? problems : GPU_MISSING)
  const asked = { catalogue, query, input: { ...query.input, gpu: query.gpu }, nowMs }
  return call === 'roi' ? estimate(asked) : compare(asked)
}

/** What is wrong with a question, as `answerEconomics` would say it and without a forecast; null for nothing. */
export function openRefuser(
  files: CatalogueFiles,
): (asked: Pick<EconomicsJob, 'call' | 'said' | 'nowMs'>) => EconomicsAnswer | null {
  const catalogue = parseCatalogue(files)
  return ({ call, said, nowMs }) => {
    const { query, problems } = parseRoiQuery(said, catalogue)
    if (query.gpu === null || problems.length > 0)
      return refusal(problems.length > 0 ? problems : GPU_MISSING)
    const { network, ...input } = query.input
    const asked = call === 'roi' && network !== undefined ? { ...input, network } : input
    const report = assess(catalogue, { ...asked, gpu: query.gpu }, { nowMs, paths: 0 })
    return report.kind === 'refused' ? refusal(report.problems) : null
  }
}

const GPU_MISSING = [{ message: 'Say which GPU, as gpu=RTX 4090; /api/economics/gpus lists them.' }]

interface Asked {
  readonly catalogue: Catalogue
  readonly query: RoiQuery
  readonly input: RoiInput
  readonly nowMs: number
}

function estimate({ catalogue, query, input, nowMs }: Asked): EconomicsAnswer {
  const report = assess(catalogue, input, { nowMs, seed: query.seed, paths: PATHS })
  return report.kind === 'refused' ? refusal(report.problems) : reply(RoiReply, replyOf(report))
}

/** Of the report all that a caller can use; its parts for computing on stay here. */
function replyOf({
  kind: _kind,
  terms: _terms,
  capital: _capital,
  simulation: _simulation,
  ...report
}: RoiReport): RoiReply {
  return report
}

function compare({
  catalogue,
  query,
  input: { network: _network, ...input },
  nowMs,
}: Asked): EconomicsAnswer {
  const known = { measured: null, nowMs }
  const report = assess(catalogue, input, { nowMs, paths: 0 })
  if (report.kind === 'refused') return refusal(report.problems)
  const asOf = new Date(nowMs).toISOString().slice(0, 10)
  const { seed, machine, tolerance } = query
  const advice = adviseNetworks(catalogue, {
    input,
    known,
    priceUsdPerGpuHour: query.networkPrice,
    tokenUsd: Object.fromEntries(
      Object.entries(query.tokenUsd).map(([token, usd]) => [token, { usd, source: 'you', asOf }]),
    ),
    paths: ADVICE_PATHS,
    seed,
    machine,
    tolerance,
  })
  if (advice.kind === 'refused') return refusal(advice.problems)
  const { gpu, unknowns } = report
  return reply(NetworkComparison, {
    gpu,
    months: advice.months,
    risk: tolerance,
    seed,
    unknowns,
    networks: advice.rows,
  })
}

const reply = <T extends z.ZodType>(schema: T, value: z.output<T>): EconomicsAnswer => ({
  kind: 'reply',
  reply: z.encode(schema, value),
})

/** The economics name options of the command line; without their dashes they are the parameters here. */
const refusal = (problems: readonly { readonly message: string }[]): EconomicsAnswer => ({
  kind: 'refused',
  message: problems.map(({ message }) => message.replaceAll(/--([a-z][\w-]*)/g, '$1')).join(' '),
})

function gpuFacts(gpu: Gpu, { sources }: Catalogue): GpuFacts {
  const rent = marketPriceOf(gpu)
  const source = gpu.sources['used_price_usd']
  return {
    id: gpu.id,
    name: gpu.name,
    vendor: gpu.vendor,
    segment: gpu.segment,
    architecture: gpu.architecture,
    vramGb: gpu.vram_gb,
    ratedWatts: gpu.tdp_w,
    idleWatts: gpu.idle_w,
    usedPriceUsd: gpu.used_price_usd,
    usedPriceAsOf: gpu.used_price_as_of,
    usedPriceSource:
      gpu.used_price_usd === null || source === undefined ? null : (sources.gpus[source] ?? source),
    rental: rent && {
      usdPerGpuHour: rent.usd,
      lowUsdPerGpuHour: rent.lowUsd,
      highUsdPerGpuHour: rent.highUsd,
      seen: rent.count,
      source: rent.source,
      asOf: rent.asOf,
    },
    aliases: gpu.aliases,
  }
}

function placeFacts(place: Place, { sources }: Catalogue): PlaceFacts {
  const priced = (usdPerKwh: number | null, asOf: string | null, source: string | null) =>
    usdPerKwh === null || asOf === null || source === null
      ? null
      : { usdPerKwh, asOf, source: sources.electricity[source] ?? source }
  return {
    code: place.code,
    name: place.name,
    kind: place.kind,
    household: priced(place.residential_usd_kwh, place.residential_year, place.residential_source),
    industrial: priced(place.industrial_usd_kwh, place.industrial_year, place.industrial_source),
  }
}

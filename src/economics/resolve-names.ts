import type { Catalogue } from './catalogue.ts'
import type { Place } from './electricity-data.ts'
import { findGpu, type GpuMatch } from './find-gpu.ts'
import { findPlace, type PlaceMatch } from './find-place.ts'
import type { Gpu } from './gpu-data.ts'
import type { InputProblem } from './input-lines.ts'
import type { GpuNetwork } from './network-data.ts'
import { whyNoForecast } from './network-payout.ts'
import type { RoiInput } from './roi-input.ts'

export interface Names {
  readonly gpu: Gpu
  readonly place: Place | null
  readonly network: GpuNetwork | null
}

/** What the names of an input mean; or, for each that means nothing or more than one thing, what it may have meant. */
export function resolveNames(input: RoiInput, catalogue: Catalogue): Names | readonly InputProblem[] {
  const gpu = findGpu(input.gpu, catalogue.gpus)
  const place = input.country === undefined ? null : findPlace(input.country, catalogue.places)
  const network = catalogue.networks.find(({ id }) => id === input.network?.trim().toLowerCase()) ?? null
  const problems = [...problemOfGpu(input, gpu), ...problemOfPlace(input, place)]
  const wrongNetwork =
    input.network === undefined ? null : problemOfNetwork(input.network, network, catalogue)
  if (wrongNetwork !== null) problems.push({ name: 'network', message: wrongNetwork })
  if (problems.length > 0 || gpu.kind !== 'found') return problems
  return { gpu: gpu.gpu, place: place?.kind === 'found' ? place.place : null, network }
}

function problemOfNetwork(
  id: string,
  network: GpuNetwork | null,
  { networks }: Pick<Catalogue, 'networks'>,
): string | null {
  if (!network) {
    const ids = networks.map((known) => known.id).join(', ')
    return `The network "${id}" is not in the catalogue. Known are: ${ids}.`
  }
  const why = whyNoForecast(network)
  return why === null
    ? null
    : `There is no forecast on ${network.name}. ${why} Without --network it is one at the prices of the market; \`shoal roi compare\` shows ${network.name} beside the others.`
}

function problemOfGpu({ gpu: name }: RoiInput, match: GpuMatch): InputProblem[] {
  const listed = (gpus: readonly Gpu[]): string => gpus.map((gpu) => gpu.name).join(', ')
  switch (match.kind) {
    case 'found':
      return []
    case 'ambiguous':
      return [
        { name: 'gpu', message: `"${name}" may be any of these GPUs: ${listed(match.gpus)}. Say which.` },
      ]
    case 'unknown': {
      const message = `The GPU "${name}" is not in the catalogue. Closest are: ${listed(match.closest)}.`
      return [{ name: 'gpu', message }]
    }
  }
}

function problemOfPlace({ country }: RoiInput, match: PlaceMatch | null): InputProblem[] {
  const listed = (places: readonly Place[]): string =>
    places.map(({ code, name }) => `${name} (${code})`).join(', ')
  switch (match?.kind) {
    case undefined:
    case 'found':
      return []
    case 'ambiguous':
      return [
        { name: 'country', message: `"${country}" may be any of: ${listed(match.places)}. Say its code.` },
      ]
    case 'unknown': {
      const message = `The place "${country}" is not in the catalogue. Closest are: ${listed(match.closest)}.`
      return [{ name: 'country', message }]
    }
  }
}

/**
 * Which GPU of the catalogue a name means, however it is written: as on the box, as `nvidia-smi` says it, or as people
 * type it. A name fits when each of its words is in the catalogue's, and what the catalogue has besides is only a
 * maker, a series or a size that tells no two of its GPUs apart.
 */
import { closest } from './closest-names.ts'
import type { Gpu } from './gpu-data.ts'

export type GpuMatch =
  | { readonly kind: 'found'; readonly gpu: Gpu }
  /** Several fit: they differ in something that the name leaves open. */
  | { readonly kind: 'ambiguous'; readonly gpus: readonly Gpu[] }
  | { readonly kind: 'unknown'; readonly closest: readonly Gpu[] }

/** Words that tell nothing when one side has them and the other does not. */
const MAKERS =
  /^(nvidia|geforce|amd|radeon|instinct|tesla|intel|apple|graphics|gpu|generation|edition|blackwell)$/
const SERIES = /^(rtx|gtx|rx)$/
const BUILD = /^(sxm\d?|pcie|hbm\d?e?|\d+gb|workstation|server)$/
const COUNT_MAX = 5

export function findGpu(name: string, gpus: readonly Gpu[]): GpuMatch {
  const words = wordsOf(name)
  const exact = gpus.find(
    (gpu) => gpu.id === name.trim().toLowerCase() || namesOf(gpu).some((own) => isSame(words, wordsOf(own))),
  )
  if (exact) return { kind: 'found', gpu: exact }
  const fitting =
    words.length === 0 ? [] : gpus.filter((gpu) => namesOf(gpu).some((own) => fits(words, wordsOf(own))))
  const [only, ...others] = fitting
  if (only && others.length === 0) return { kind: 'found', gpu: only }
  if (only) return { kind: 'ambiguous', gpus: fitting }
  const textsOf = (gpu: Gpu): string[] =>
    namesOf(gpu)
      .map(wordsOf)
      .flatMap((own) => [own.join(' '), own.filter((word) => !SERIES.test(word)).join(' ')])
  return { kind: 'unknown', closest: closest(words.join(' '), gpus, { textsOf, countMax: COUNT_MAX }) }
}

const namesOf = (gpu: Gpu): string[] => [gpu.name, gpu.id, ...gpu.aliases]

/** `NVIDIA GeForce RTX4090` → `rtx 4090`; `A100-SXM4-80GB` → `a100 sxm4 80gb`. */
function wordsOf(name: string): string[] {
  return name
    .toLowerCase()
    .replaceAll(/\((?:per|gpu)[^)]*\)/g, ' ')
    .replaceAll(/[^a-z0-9]+/g, ' ')
    .replaceAll(/\b(rtx|gtx|rx|arc)(?=\d)/g, '$1 ')
    .replaceAll(/(?<=\d{4})(ti|super|xtx|xt)\b/g, ' $1')
    .replaceAll(/(?<=\bti)(super)\b/g, ' $1')
    .replaceAll(/(\d+) gb\b/g, '$1gb')
    .trim()
    .split(' ')
    .filter((word) => word !== '' && !MAKERS.test(word))
}

const isSame = (a: readonly string[], b: readonly string[]): boolean => a.join(' ') === b.join(' ')

function fits(words: readonly string[], own: readonly string[]): boolean {
  const isThere = (word: string): boolean =>
    own.includes(word) ||
    SERIES.test(word) ||
    /^hbm\d?e?$/.test(word) ||
    // The generation of the socket is mostly left out.
    (word === 'sxm' && own.some((o) => /^sxm\d$/.test(o)))
  const isIdle = (word: string): boolean => words.includes(word) || SERIES.test(word) || BUILD.test(word)
  // A series alone names nothing.
  const says = words.some((word) => own.includes(word) && !SERIES.test(word) && !BUILD.test(word))
  const isOtherSeries = words.some(
    (word) => SERIES.test(word) && own.some((o) => SERIES.test(o) && o !== word),
  )
  return says && !isOtherSeries && words.every(isThere) && own.every(isIdle)
}

import { parseCatalogue } from '#economics/catalogue.ts'
import { findGpu } from '#economics/find-gpu.ts'
import type { Gpu } from '#economics/gpu-data.ts'
import { marketPriceOf } from '#economics/market-price.ts'
import { usdText } from '#economics/usd-text.ts'
import { Problem } from '#protocol/problem.ts'
import type { CliContext } from './context.ts'
import type { GlobalOptions } from './credentials.ts'
import { formatQuantity } from './figures.ts'
import { type FittedColumn, formatTableWithin } from './fitted-table.ts'
import { formatNoun } from './format.ts'
import { pageOf, paragraph } from './report-page.ts'

/** Prints the GPUs whose names have all of `words`, or else the one that they mean. Rejects with a `Problem` when none does. */
export function runGpuList(context: CliContext, words: readonly string[], options: GlobalOptions): void {
  const { stdout } = context
  const { gpus } = parseCatalogue(context.dataFiles())
  const found = search(gpus, words)
  if (options.json) return stdout.write(`${JSON.stringify({ gpus: found }, null, 2)}\n`)
  const page = pageOf(context)
  const note = `${formatNoun(found.length, 'GPU')}. Used prices are those of the card alone; what one rents for is the list price of the most comparable host, not what an owner is left with: see \`shoal roi --gpu "${found[0]?.name}"\`.`
  stdout.write(`${formatTableWithin(columns, found, page)}\n${paragraph(note, page, { tone: 'dim' })}\n`)
}

function search(gpus: readonly Gpu[], words: readonly string[]): readonly Gpu[] {
  const wanted = words
    .join(' ')
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '')
  const fitting = gpus.filter((gpu) => {
    const text = [gpu.name, gpu.id, gpu.vendor, gpu.segment, gpu.architecture, ...gpu.aliases]
      .join(' ')
      .toLowerCase()
    return wanted.every((word) => text.includes(word))
  })
  if (fitting.length > 0) return fitting
  const match = findGpu(words.join(' '), gpus)
  if (match.kind === 'found') return [match.gpu]
  if (match.kind === 'ambiguous') return match.gpus
  const closest = match.closest.map(({ name }) => name).join(', ')
  throw new Problem('invalid_request', `No GPU is named "${words.join(' ')}". Closest are: ${closest}.`)
}

const UNKNOWN = 'unknown'
const toneOfKnown = (value: unknown): 'dim' | 'plain' => (value === null ? 'dim' : 'plain')

const columns: FittedColumn<Gpu>[] = [
  { title: 'GPU', name: 'GPU', text: ({ name }) => name },
  { title: 'MEMORY', name: 'memory', isRight: true, text: ({ vram_gb: gb }) => `${formatQuantity(gb)} GB` },
  { title: 'POWER', name: 'power', isRight: true, text: ({ tdp_w: watts }) => `${formatQuantity(watts)} W` },
  {
    title: 'USED, USD',
    name: 'used price',
    isRight: true,
    text: ({ used_price_usd: usd }) => (usd === null ? UNKNOWN : usdText(usd)),
    tone: ({ used_price_usd: usd }) => toneOfKnown(usd),
  },
  {
    title: 'RENT, USD/HOUR',
    name: 'rent of an hour',
    isRight: true,
    text: (gpu) => rentOf(gpu),
    tone: (gpu) => toneOfKnown(marketPriceOf(gpu)),
  },
  { title: 'USED AS OF', name: 'used price of', text: ({ used_price_as_of: asOf }) => asOf ?? '–' },
  { title: 'RENT AS OF', name: 'rent of', text: (gpu) => marketPriceOf(gpu)?.asOf ?? '–' },
  { title: 'RENTS SEEN', name: 'rents seen', isRight: true, text: (gpu) => seenOf(gpu) },
]

const rentOf = (gpu: Gpu): string => {
  const price = marketPriceOf(gpu)
  return price === null ? UNKNOWN : usdText(price.usd)
}

/** The range of all that were seen, as `$0.20 to $0.59 (7)`. */
const seenOf = (gpu: Gpu): string => {
  const price = marketPriceOf(gpu)
  if (price === null || price.count < 2) return ''
  return `${usdText(price.lowUsd)} to ${usdText(price.highUsd)} (${price.count})`
}

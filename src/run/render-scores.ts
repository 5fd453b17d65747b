/** The weights that Render Network published for GPUs, from the data that Shoal ships with. */
import type { RenderScore } from '#coordinator/work/quote-fleet.ts'
import { parseCatalogue } from '#economics/catalogue.ts'
import { findGpu } from '#economics/find-gpu.ts'
import { readDataFiles } from '#host/node/data-files.ts'

/** Reads the data when a GPU is asked for first, and looks for each name once. */
export function openRenderScores(): RenderScore {
  const known = new Map<string, number | null>()
  let gpus: ReturnType<typeof parseCatalogue>['gpus'] | null = null
  return (gpuName) => {
    const before = known.get(gpuName)
    if (before !== undefined) return before
    gpus ??= parseCatalogue(readDataFiles()).gpus
    const match = findGpu(gpuName, gpus)
    const score = match.kind === 'found' ? match.gpu.render_rnp_score : null
    if (known.size < NAMES_MAX) known.set(gpuName, score)
    return score
  }
}
/** Nodes tell the names of their GPUs themselves. */
const NAMES_MAX = 1_000

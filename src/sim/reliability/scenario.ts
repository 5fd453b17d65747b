/** What a reliability scenario is given and gives: one run, its figures, and whether they are what the product promises. */

export interface ScenarioOptions {
  readonly seed: number
  /** A shorter run, by the same rules. */
  readonly isQuick: boolean
  /** Of the nodes, how many cheat, where that is asked; all that are promised when left out. */
  readonly sharePercent?: number
}

/** Flat, so that a table of them can be made by program. */
export type Figures = Readonly<Record<string, number | string | boolean>>

export interface ScenarioResult {
  readonly figures: Figures
  /** What was promised, and whether it was kept. */
  readonly promises: Readonly<Record<string, boolean>>
  /** For a page of the docs, as Markdown. */
  readonly table?: string
}

export type Scenario = (options: ScenarioOptions) => Promise<ScenarioResult>

/** Of 95 in 100 such intervals, the true share lies within. */
const Z = 1.959964

/** The Wilson score interval of a share of which `hits` in `count` were seen; [0, 1] of nothing. */
export function wilson(hits: number, count: number): readonly [low: number, high: number] {
  if (count === 0) return [0, 1]
  const share = hits / count
  const weight = 1 / (1 + Z ** 2 / count)
  const middle = weight * (share + Z ** 2 / (2 * count))
  const half = weight * Z * Math.sqrt((share * (1 - share)) / count + Z ** 2 / (4 * count ** 2))
  return [Math.max(0, middle - half), Math.min(1, middle + half)]
}

/** A share with its interval, in percent, as figures that begin with `name`. */
export function shareFigures(name: string, hits: number, count: number): Figures {
  const [low, high] = wilson(hits, count)
  return {
    [`${name}Percent`]: percent(hits / Math.max(1, count)),
    [`${name}WilsonLowPercent`]: percent(low),
    [`${name}WilsonHighPercent`]: percent(high),
  }
}

const percent = (share: number): number => Math.round(share * 1e7) / 1e5

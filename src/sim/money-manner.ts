/** How a node of a farm with money works: what it makes of a task, how long it takes, and what it says of it. */
import type { Random } from '#kernel/random.ts'
import type { OutputFile } from '#protocol/task.ts'
import type { MoneyNodePlan } from './money-plan.ts'

/** Starts what an honest node makes, and what a liar does. */
export const TRUE = 'a'
export const FALSE = 'b'

/** What a node of speed 1 takes for a task that looks at a few pieces of a picture. */
const CROPS_MS = 50

export interface MadeTask {
  readonly takesMs: number
  /** What it says that it took. */
  readonly wallMs: number
  readonly isLie: boolean
  readonly files: readonly OutputFile[]
}

export class MoneyManner {
  readonly #plan: MoneyNodePlan
  readonly #random: Random
  #made = 0

  constructor(plan: MoneyNodePlan, random: Random) {
    this.#plan = plan
    this.#random = random
  }

  /** `frameMs`: what a whole frame takes a node of speed 1. */
  make(params: Readonly<Record<string, unknown>>, frameMs: number): MadeTask {
    const { speed, hastePercent } = this.#plan
    const isLie = this.#lies(params)
    const wallMs = (params['do'] === 'crops' ? CROPS_MS : frameMs) / speed
    const takesMs = Math.ceil((isLie ? wallMs * hastePercent : wallMs * 100) / 100)
    // Who lies says that it took as long as it should.
    return { takesMs, wallMs, isLie, files: [this.#outputOf(params, isLie)] }
  }

  #lies(params: Readonly<Record<string, unknown>>): boolean {
    const { manner, honestFirst, lieOneIn, isLazyAuditor } = this.#plan
    if (manner === 'honest') return false
    if (params['do'] === 'crops') return isLazyAuditor
    this.#made++
    if (manner === 'always') return true
    if (manner === 'sleeper') return this.#made > honestFirst
    return this.#random.chance(1, lieOneIn)
  }

  #outputOf(params: Readonly<Record<string, unknown>>, isLie: boolean): OutputFile {
    const { nodeId } = this.#plan
    const frame = Number(params['frame'])
    // A lie of one node is always the same, and so it agrees with itself.
    const own = [...`${nodeId} ${frame}`].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) >>> 0, 7)
    const shows = isLie ? `${FALSE}${own.toString(16)}` : `${TRUE}${frame.toString(16)}`
    return { name: 'frame.png', bytes: 1_000, sha256: shows.padEnd(64, '0') }
  }
}

/** A set of line numbers as runs of neighbours: a batch that is nearly in order takes a few numbers, however long it is. */
import { z } from 'zod'
import { assert } from '#kernel/assert.ts'

/** First and last line of a run. */
export const LineRun = z.tuple([z.int().positive(), z.int().positive()])
export type LineRun = z.output<typeof LineRun>

export class LineSet {
  /** Sorted, and neither touching nor overlapping. */
  #runs: LineRun[] = []
  #count = 0

  static of(runs: readonly LineRun[]): LineSet {
    const set = new LineSet()
    for (const run of runs) set.addRun(run)
    return set
  }

  get count(): number {
    return this.#count
  }

  runs(): readonly LineRun[] {
    return this.#runs
  }

  has(line: number): boolean {
    const run = this.#runs[this.#indexOf(line)]
    return run !== undefined && run[0] <= line && line <= run[1]
  }

  hasAny([first, last]: LineRun): boolean {
    const run = this.#runs[this.#indexOf(first)]
    return run !== undefined && run[0] <= last
  }

  /** Adds one line; it must not be there yet. */
  add(line: number): void {
    this.addRun([line, line])
  }

  addRun([first, last]: LineRun): void {
    assert(first <= last, 'a run of lines goes up')
    assert(!this.hasAny([first, last]), `lines ${first} to ${last} are added once`)
    const at = this.#indexOf(first)
    const before = this.#runs[at - 1]
    const after = this.#runs[at]
    const joinsBefore = before !== undefined && before[1] + 1 === first
    const joinsAfter = after !== undefined && last + 1 === after[0]
    const joined: LineRun = [joinsBefore ? before[0] : first, joinsAfter ? after[1] : last]
    this.#runs.splice(at - (joinsBefore ? 1 : 0), (joinsBefore ? 1 : 0) + (joinsAfter ? 1 : 0), joined)
    this.#count += last - first + 1
  }

  /** Index of the first run that does not end before `line`. */
  #indexOf(line: number): number {
    let [low, high] = [0, this.#runs.length]
    while (low < high) {
      const middle = (low + high) >> 1
      const run = this.#runs[middle]
      if (run && run[1] < line) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** A half of a row of the fault matrix: a program that is run as a child, and what its output says. */
import type { Check } from './scenario.ts'

export type Level = 'sim' | 'real'

export interface PartOptions {
  readonly seed: number
  readonly isQuick: boolean
}

export interface Part {
  readonly level: Level
  /** Unique among all parts. */
  readonly name: string
  /** Arguments of node, from the repository's root. */
  command(options: PartOptions): readonly string[]
  /** Of a run that ended. Throws when the output is not what it should be. */
  read(run: { stdout: string; code: number }): PartReading
  readonly limitMinutes: number
}

export interface PartReading {
  readonly figures: Readonly<Record<string, unknown>>
  readonly checks: readonly Check[]
  readonly notRun: readonly string[]
}

/** `missing`: the program knows no such scenario; `broken`: it ended without a result. */
export type Verdict = 'passed' | 'missed' | 'missing' | 'broken'

export interface PartResult extends PartReading {
  readonly level: Level
  readonly name: string
  readonly command: string
  readonly verdict: Verdict
  readonly seed: number
  readonly isQuick: boolean
  readonly commit: string
  readonly seconds: number
  readonly measuredAt: string
  /** Why there is no result. */
  readonly problem: string | null
}

/** The last line of JSON that a program printed. */
export function lastJson<T>(stdout: string): T {
  const line = stdout
    .split('\n')
    .filter((text) => text.startsWith('{'))
    .at(-1)
  if (line === undefined) throw new Error('it printed no line of JSON')
  return JSON.parse(line) as T
}

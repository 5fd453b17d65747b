/** One way of breaking a network of real processes, and what is asked of it then. */

/** Something that was promised, and what was found. */
export interface Check {
  readonly what: string
  readonly found: string
  readonly pass: string
  readonly isPassed: boolean
}

export interface ScenarioResult {
  readonly figures: Readonly<Record<string, unknown>>
  readonly checks: readonly Check[]
  /** What of the row was not run here, and why. */
  readonly notRun?: readonly string[]
}

export interface ScenarioOptions {
  readonly seed: number
  /** Shorter, with fewer cases: to see that it runs, not to claim anything. */
  readonly isQuick: boolean
}

/** Leaves nothing behind. Throws when it could not be run at all. */
export type Scenario = (options: ScenarioOptions) => Promise<ScenarioResult>

export const atMost = (what: string, found: number, max: number, unit: string): Check => ({
  what,
  found: `${round(found)} ${unit}`,
  pass: `≤ ${round(max)} ${unit}`,
  isPassed: found <= max,
})

export const none = (what: string, found: number): Check => ({
  what,
  found: found.toLocaleString('en'),
  pass: '0',
  isPassed: found === 0,
})

const round = (value: number): string =>
  (Math.abs(value) >= 100 ? Math.round(value) : Math.round(value * 100) / 100).toLocaleString('en')

/** Tells people how far it is; nobody reads it by program. */
export function tell(line: string): void {
  process.stderr.write(`  ${line}\n`)
}

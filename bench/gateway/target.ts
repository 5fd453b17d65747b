/** Something that answers chat completions, and what it takes to ask it. */

/** A whole JSON answer; 64 tokens as events, all at once; the same with 20 ms between them. */
export type Pace = 'whole' | 'burst' | 'paced'

/** Between two tokens of a paced stream. */
export const PACED_EVERY_US = 20_000

export interface Target {
  readonly name: string
  /** The measured process, with what it started; null where there is none between the load and the upstream. */
  readonly pid: number | null
  /** What the load tool is told besides: port, keys, headers. Sees to it that what is behind answers at this pace. */
  at(pace: Pace): Promise<readonly string[]>
  stop(): Promise<void>
}

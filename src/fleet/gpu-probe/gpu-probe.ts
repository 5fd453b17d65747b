/**
 * Reads what the GPU vendors' tools print. Pure: whoever runs the tools passes their output in. A GPU that is there
 * but broken is reported as unhealthy with the reason, never dropped: its owner wants to know.
 */
import type { Gpu } from '#protocol/capability.ts'

export interface GpuProbe {
  readonly gpus: readonly Gpu[]
  /** One sentence each on what is wrong and what to do about it; empty when all is well or there is no GPU at all. */
  readonly problems: readonly string[]
}

/** What a tool answered. A machine without a vendor's tool is a machine without that vendor's GPUs: no problem. */
export type ToolResult =
  | { readonly code: number; readonly stdout: string; readonly stderr: string }
  | 'not_found'
  | 'timed_out'

export const noGpus: GpuProbe = { gpus: [], problems: [] }

/** A number from a tool's text, or `null` for `N/A`, `[Not Supported]` and all else that is none. */
export function readNumber(text: string | undefined): number | null {
  const match = /^\s*(-?\d+(?:\.\d+)?)\s*$/.exec(text ?? '')
  return match ? Number(match[1]) : null
}

/** `value` as a whole number within `[0, max]`, or `null` when it is nowhere near one. */
export function readCount(text: string | undefined, max: number): number | null {
  const value = readNumber(text)
  return value !== null && value >= 0 && value <= max ? Math.floor(value) : null
}

/** A share in percent; drivers overshoot 100 by a rounding now and then. */
export function readPercent(text: string | undefined): number | null {
  const value = readNumber(text)
  return value === null || value < 0 ? null : Math.min(100, value)
}

export function readWatts(text: string | undefined): number | null {
  const value = readNumber(text)
  return value !== null && value >= 0 && value < 10_000 ? value : null
}

export function readTemperature(text: string | undefined): number | null {
  const value = readNumber(text)
  return value !== null && value > -100 && value < 1_000 ? value : null
}

const TEXT_LENGTH_MAX = 200

/** One line that fits in a report. */
export function clip(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim()
  return line.length <= TEXT_LENGTH_MAX ? line : `${line.slice(0, TEXT_LENGTH_MAX - 1)}…`
}

/**
 * The port to programs that are not ours: renderers, encoders, what a job brings along. They get two pipes of their own
 * for lines of text, beside what they print, and limits that they cannot lift.
 */

export interface Programs {
  /** Starts `command`. Exactly one `onExit` follows, also when it could not be started. */
  start(command: ProgramCommand, handlers: ProgramHandlers): RunningProgram
}

export interface ProgramCommand {
  readonly program: string
  readonly args: readonly string[]
  /** All of its environment. */
  readonly env: Readonly<Record<string, string>>
  readonly limits: ProgramLimits
}

/** Of the program and all that it starts together, where the system can do that; `null` is no limit. */
export interface ProgramLimits {
  readonly memoryBytes: number | null
  /** Threads count as processes. */
  readonly processes: number | null
  /** Of each file that it writes. */
  readonly fileBytes: number | null
}

export interface ProgramHandlers {
  /** A line that it wrote on descriptor 4, without its end. Lines beyond 16 MiB are dropped. */
  onLine(line: string): void
  /** What it printed, on either stream. */
  onOutput(text: string): void
  onExit(exit: ProgramExit): void
}

export interface ProgramExit {
  readonly code: number | null
  readonly signal: string | null
  /** `memory`, `processes`: ended because it passed that limit. `missing`: there is no such program. */
  readonly reason: 'memory' | 'processes' | 'missing' | null
}

export interface RunningProgram {
  readonly pid: number | null
  /** Writes a line to its descriptor 3. Dropped silently once it is gone. */
  sendLine(text: string): void
  /** What it and all that it started use now; zeros once it is gone. */
  usage(): ProgramUsage
  /** Ends it and all that it started, at once. Harmless when it is gone. */
  kill(): void
}

export interface ProgramUsage {
  readonly residentBytes: number
  /** The most that was resident since it started. */
  readonly peakBytes: number
  /** Of open files that no folder names: unlinked on a disk, or made in memory. */
  readonly nameless: { readonly diskBytes: number; readonly memoryBytes: number }
  /** Of processes that are still there. */
  readonly cpuMs: number
  readonly processes: number
}

/**
 * The port to whatever works off tasks. A session keeps what many tasks of a step need loaded (a scene, a model), so that a
 * task costs its own work alone. What goes wrong is a `Problem` that says whose fault it is (`failureProblem`).
 */

/** Runs tasks of one kind. */
export interface TaskEngine {
  /** `blender`, `ffmpeg`, `command`: what a step asks for. */
  readonly kind: string
  /** Rejects with a `Problem` when the inputs cannot be worked on here at all. */
  open(input: SessionInput): Promise<TaskSession>
}

export interface SessionInput {
  /** Folder with the step's inputs, read-only. */
  readonly root: string
  /** The step's settings, as its kind defines them. */
  readonly settings: Readonly<Record<string, unknown>>
}

/** Runs one task at a time: the next `run` comes after the one before has settled. */
export interface TaskSession {
  /**
   * `onProgress` gets fractions from 0 to 1 that never fall. An abort of `signal` ends the work at once, and the promise
   * rejects with `Problem('cancelled')`; the session stays usable. Any other rejection says whose fault it was.
   */
  run(task: TaskInput, onProgress: (fraction: number) => void, signal: AbortSignal): Promise<TaskOutput>
  /** Ends the session's processes and frees what it holds. Never rejects. */
  close(): Promise<void>
}

export interface TaskInput {
  readonly params: Readonly<Record<string, unknown>>
  /** An empty folder that the task may write to, its own. */
  readonly outFolder: string
}

export interface TaskOutput {
  /** What it made, by name relative to `outFolder`; hashes in lower-case hex. */
  readonly files: readonly TaskFile[]
  readonly wallMs: number
  /** Of all its processes. */
  readonly cpuMs: number
  readonly peakBytes: number
  /** What else is worth keeping: device, samples, versions. */
  readonly notes: Readonly<Record<string, unknown>>
}

export interface TaskFile {
  readonly name: string
  readonly bytes: number
  readonly sha256: string
}

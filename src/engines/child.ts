/**
 * The port to child processes: an engine that may crash, hang or leak lives in one, so that it takes nothing with it.
 * Messages are structured clones: plain data, typed arrays, bigints.
 */

export interface Children {
  /** Starts `program`. Exactly one `onExit` follows, also when it could not be started. */
  spawnChild(program: ChildProgram, handlers: ChildHandlers): Child
}

export interface ChildProgram {
  /** File URL of the module to run. */
  readonly module: URL
  readonly args: readonly string[]
  /** Writes to this program's own standard output; to none unless asked for. */
  readonly sharesStdout?: boolean
  /** Of Node, such as `--min-semi-space-size=16`; none unless given. */
  readonly nodeFlags?: readonly string[]
}

export interface ChildHandlers {
  onMessage(message: unknown): void
  onExit(exit: ChildExit): void
}

export interface ChildExit {
  readonly code: number | null
  readonly signal: string | null
  /** The end of what it wrote to stderr, a few kB at most. */
  readonly lastWords: string
}

export interface Child {
  /** `null` when it could not be started. */
  readonly pid: number | null
  /** Dropped silently once the child is gone. */
  send(message: unknown): void
  /** Ends it at once, without asking. Harmless when it is gone. */
  kill(): void
}

/** `was killed by SIGKILL`, `exited with code 1: out of memory`: for logs and messages. */
export function describeExit(exit: ChildExit): string {
  const how = exit.signal === null ? `exited with code ${exit.code}` : `was killed by ${exit.signal}`
  // A stack and the runtime's version line are no words.
  const words = exit.lastWords
    .split('\n')
    .filter((line) => line.trim() !== '' && !/^\s+at |^Node\.js v/.test(line))
  const last = words.at(-1)
  return last === undefined ? how : `${how}: ${last.trim()}`
}

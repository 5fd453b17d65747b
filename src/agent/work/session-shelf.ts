/** Sessions of engines that stay open, since many tasks need the same one: a scene that is loaded, a model. */
import type { TaskEngine, TaskSession } from '#engines/task-engine.ts'
import type { Clock, Timer } from '#host/host.ts'
import type { StepSettings } from '#protocol/task.ts'
import type { HeldInputs } from './work-ports.ts'

export interface ShelfOptions {
  /** Each keeps a program and its memory. */
  readonly sessionsMax: number
  /** What all of them together may take, by what they took. One whose need is not known yet is open alone. */
  readonly memoryBytesMax: number
  /** One that nobody needed for so long is closed. */
  readonly idleMs: number
}

/** Names of sessions whose need is remembered. */
const NEEDS_MAX = 100

export interface WantedSession {
  readonly engine: TaskEngine
  readonly inputs: HeldInputs
  readonly settings: StepSettings
}

interface Kept {
  readonly opening: Promise<TaskSession>
  readonly inputs: HeldInputs
}

export class SessionShelf {
  readonly #clock: Clock
  readonly #options: ShelfOptions
  /** By what they are for; the longest unused first. */
  readonly #kept = new Map<string, Kept>()
  /** The most that each has taken, also of some that are closed; the longest unused first. */
  readonly #needs = new Map<string, number>()
  #idle: Timer | null = null

  constructor(clock: Clock, options: ShelfOptions) {
    this.#clock = clock
    this.#options = options
  }

  /**
   * One that is open for these inputs and settings, else a new one, in place of the longest unused and of those beside
   * which it has no room. Rejects as `TaskEngine.open`.
   */
  async obtain(wanted: WantedSession): Promise<TaskSession> {
    const { engine, inputs, settings } = wanted
    const name = JSON.stringify([engine.kind, inputs.root, settings])
    const known = this.#kept.get(name)
    this.#idle?.cancel()
    if (known) {
      this.#kept.delete(name)
      this.#kept.set(name, known)
      // It may have grown since.
      await this.#closeDownTo(1 + this.#roomBeside(name))
      return known.opening
    }
    await this.#closeDownTo(this.#roomBeside(name))
    const opening = engine
      .open({ root: inputs.root, settings })
      .then((session) => this.#watched(name, session))
    const made = { opening, inputs: inputs.retain() }
    this.#kept.set(name, made)
    try {
      return await made.opening
    } catch (error) {
      if (this.#kept.get(name) === made) this.#kept.delete(name)
      made.inputs.release()
      throw error
    }
  }

  /** Nothing uses any of them now: from here on they are idle. */
  rest(): void {
    this.#idle?.cancel()
    if (this.#kept.size > 0) this.#idle = this.#clock.after(this.#options.idleMs, () => void this.close())
  }

  /** Closes all of them. */
  async close(): Promise<void> {
    this.#idle?.cancel()
    await this.#closeDownTo(0)
  }

  /** How many others may stay open beside it. What they keep while it works is theirs, whatever each alone may take. */
  #roomBeside(name: string): number {
    const { sessionsMax, memoryBytesMax } = this.#options
    let bytes = this.#needs.get(name) ?? memoryBytesMax
    let count = 0
    const others = [...this.#kept.keys()].filter((other) => other !== name)
    for (const other of others.toReversed()) {
      bytes += this.#needs.get(other) ?? memoryBytesMax
      if (count + 1 >= sessionsMax || bytes > memoryBytesMax) break
      count += 1
    }
    return count
  }

  /** Remembers what its tasks take. */
  #watched(name: string, session: TaskSession): TaskSession {
    return {
      run: async (task, onProgress, signal) => {
        const output = await session.run(task, onProgress, signal)
        const bytes = Math.max(output.peakBytes, this.#needs.get(name) ?? 0)
        this.#needs.delete(name)
        this.#needs.set(name, bytes)
        for (const oldest of [...this.#needs.keys()].slice(0, -NEEDS_MAX)) this.#needs.delete(oldest)
        return output
      },
      close: () => session.close(),
    }
  }

  async #closeDownTo(count: number): Promise<void> {
    const closing: Promise<void>[] = []
    for (const [name, kept] of [...this.#kept].slice(0, Math.max(0, this.#kept.size - count))) {
      this.#kept.delete(name)
      closing.push(end(kept))
    }
    await Promise.all(closing)
  }
}

async function end({ opening, inputs }: Kept): Promise<void> {
  // One that never opened has told whoever wanted it, and let go of its inputs.
  const session = await opening.catch(() => null)
  if (session === null) return
  await session.close()
  inputs.release()
}

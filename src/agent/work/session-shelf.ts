/** Sessions of engines that stay open, since many tasks need the same one: a scene that is loaded, a model. */
import type { TaskEngine, TaskSession } from '#engines/task-engine.ts'
import type { Clock, Timer } from '#host/host.ts'
import type { StepSettings } from '#protocol/task.ts'
import type { HeldInputs } from './work-ports.ts'

export interface ShelfOptions {
  /** Each keeps a program and its memory. */
  readonly sessionsMax: number
  /** One that nobody needed for so long is closed. */
  readonly idleMs: number
}

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
  #idle: Timer | null = null

  constructor(clock: Clock, options: ShelfOptions) {
    this.#clock = clock
    this.#options = options
  }

  /** One that is open for these inputs and settings, else a new one, in place of the longest unused. Rejects as `TaskEngine.open`. */
  async obtain(wanted: WantedSession): Promise<TaskSession> {
    const { engine, inputs, settings } = wanted
    const name = JSON.stringify([engine.kind, inputs.root, settings])
    const known = this.#kept.get(name)
    this.#idle?.cancel()
    if (known) {
      this.#kept.delete(name)
      this.#kept.set(name, known)
      return known.opening
    }
    await this.#closeDownTo(this.#options.sessionsMax - 1)
    const made = { opening: engine.open({ root: inputs.root, settings }), inputs: inputs.retain() }
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

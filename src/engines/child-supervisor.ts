/**
 * Keeps one child process alive.
 *
 * It is *up* from its spawn until its exit. Any message proves it alive; after `silenceMsMax` without one it is killed.
 * However it ends, it is spawned again after a delay that doubles from 200 ms to 10 s and starts over once the child
 * served for a minute. `retire` ends it for good: its next spawn would fail alike.
 */
import type { Clock, Log, Timer } from '#host/host.ts'
import { type Child, type ChildProgram, type Children, describeExit } from './child.ts'

export interface SupervisorOptions {
  readonly name: string
  readonly program: ChildProgram
  /** Longest silence of a child that has spoken once. */
  readonly silenceMsMax: number
  /** Longest wait for its first message: a busy machine may take its time to start a process. */
  readonly startMsMax: number
}

export interface SupervisorPorts {
  readonly children: Children
  readonly clock: Clock
  readonly log: Log
}

export interface SupervisorHandlers {
  /** A new child runs. Messages sent from here on reach it. */
  onSpawn(): void
  onMessage(message: unknown): void
  /** It is gone, and its work with it. Not called for an end that `close` or `retire` asked for. */
  onDown(reason: string): void
}

const RESTART_MS_MIN = 200
const RESTART_MS_MAX = 10_000
const HEALTHY_MS = 60_000

export class ChildSupervisor {
  readonly #options: SupervisorOptions
  readonly #ports: SupervisorPorts
  readonly #handlers: SupervisorHandlers
  #child: Child | null = null
  #watch: Timer | null = null
  #restart: Timer | null = null
  #restartMs = RESTART_MS_MIN
  #lastHeardMs = 0
  #hasSpoken = false
  #servingSinceMs: number | null = null
  #killReason: string | null = null
  #isRetired = false
  #onExited: (() => void) | null = null

  constructor(options: SupervisorOptions, ports: SupervisorPorts, handlers: SupervisorHandlers) {
    this.#options = options
    this.#ports = ports
    this.#handlers = handlers
  }

  start(): void {
    if (this.#isRetired) return
    const { children, clock, log } = this.#ports
    this.#lastHeardMs = clock.elapsedMs()
    this.#hasSpoken = false
    this.#servingSinceMs = null
    this.#killReason = null
    const child = children.spawnChild(this.#options.program, {
      onMessage: (message) => {
        this.#lastHeardMs = clock.elapsedMs()
        this.#hasSpoken = true
        if (!this.#isRetired) this.#handlers.onMessage(message)
      },
      onExit: (exit) => this.#onExit(this.#killReason ?? describeExit(exit)),
    })
    this.#child = child
    log.info('child.spawned', { name: this.#options.name, pid: child.pid })
    this.#watchSilence()
    this.#handlers.onSpawn()
  }

  /** Dropped when no child is up. */
  send(message: unknown): void {
    this.#child?.send(message)
  }

  /** The child serves: after a minute of it, its next restart is prompt again. */
  markServing(): void {
    this.#servingSinceMs = this.#ports.clock.elapsedMs()
  }

  /** Ends a child that misbehaves; a new one follows. */
  replace(reason: string): void {
    if (this.#child === null || this.#killReason !== null) return
    this.#killReason = reason
    this.#child.kill()
  }

  /** Ends it and never starts another. Resolves once it is gone. */
  retire(): Promise<void> {
    this.#isRetired = true
    this.#watch?.cancel()
    this.#restart?.cancel()
    const child = this.#child
    if (child === null) return Promise.resolve()
    return new Promise((resolve) => {
      const before = this.#onExited
      this.#onExited = () => {
        before?.()
        resolve()
      }
      child.kill()
    })
  }

  #watchSilence(): void {
    const { clock } = this.#ports
    const limitMs = this.#hasSpoken ? this.#options.silenceMsMax : this.#options.startMsMax
    const leftMs = this.#lastHeardMs + limitMs - clock.elapsedMs()
    if (leftMs <= 0) this.replace(`said nothing for ${Math.round(limitMs / 1000)} s`)
    else this.#watch = clock.after(Math.min(leftMs, 1_000), () => this.#watchSilence())
  }

  #onExit(reason: string): void {
    const { clock, log } = this.#ports
    this.#child = null
    this.#watch?.cancel()
    this.#onExited?.()
    if (this.#isRetired) return
    const servedMs = this.#servingSinceMs === null ? 0 : clock.elapsedMs() - this.#servingSinceMs
    if (servedMs >= HEALTHY_MS) this.#restartMs = RESTART_MS_MIN
    const delayMs = this.#restartMs
    this.#restartMs = Math.min(delayMs * 2, RESTART_MS_MAX)
    log.warn('child.exited', { name: this.#options.name, reason, restartInMs: delayMs })
    this.#restart = clock.after(delayMs, () => this.start())
    this.#handlers.onDown(reason)
  }
}

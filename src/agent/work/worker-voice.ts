/** What a node says of its tasks: who it is, every second that it lives and what it has, and each word until it is answered. */
import type { Clock, Timer } from '#host/host.ts'
import { WORK_BEAT_MS, WORK_RESEND_MS, type WorkerFacts, type WorkSay } from '#protocol/work-link.ts'
import { type TaskAttempt, wordOf } from './task-attempt.ts'

export interface VoiceParts {
  readonly clock: Clock
  /** As they are now. */
  readonly facts: () => WorkerFacts
  /** Trees that are here whole. */
  readonly cached: () => readonly string[]
  readonly attempts: ReadonlyMap<number, TaskAttempt>
  /** How many more it takes. */
  readonly room: () => number
}

const TICK_MS = 500

export class WorkerVoice {
  readonly #parts: VoiceParts
  #say: ((say: WorkSay) => void) | null = null
  #tick: Timer | null = null
  #beatAtMs = 0
  #cachedTold = ''

  constructor(parts: VoiceParts) {
    this.#parts = parts
  }

  /** Who it is goes first, then what it has, then all that was not answered. */
  connected(say: (say: WorkSay) => void): void {
    this.#say = say
    this.introduce()
    for (const attempt of this.#parts.attempts.values()) this.tell(attempt)
    this.#tick?.cancel()
    this.#tick = this.#parts.clock.after(TICK_MS, () => this.#onTick())
  }

  disconnected(): void {
    this.#say = null
    this.#tick?.cancel()
  }

  introduce(): void {
    const cached = [...this.#parts.cached()]
    this.#cachedTold = cached.join()
    this.#say?.({ kind: 'hello', facts: this.#parts.facts(), cached })
    this.beat()
  }

  beat(): void {
    const { clock, attempts, room } = this.#parts
    this.#beatAtMs = clock.elapsedMs()
    const held = [...attempts.values()].map(({ grant, fraction }) => ({ fence: grant.fence, fraction }))
    this.#say?.({ kind: 'beat', held, room: room() })
  }

  /** Says what is to be said of the attempt; nothing while there is nothing. */
  tell(attempt: TaskAttempt): void {
    const word = wordOf(attempt)
    if (word === null) return
    attempt.saidAtMs = this.#parts.clock.elapsedMs()
    this.#say?.(word)
  }

  #onTick(): void {
    const { clock, cached, attempts } = this.#parts
    const nowMs = clock.elapsedMs()
    if (nowMs - this.#beatAtMs >= WORK_BEAT_MS) {
      // What it has whole decides what it is given.
      if (cached().join() !== this.#cachedTold) this.introduce()
      else this.beat()
    }
    for (const attempt of attempts.values()) {
      if (nowMs - attempt.saidAtMs >= WORK_RESEND_MS) this.tell(attempt)
    }
    if (this.#say) this.#tick = clock.after(TICK_MS, () => this.#onTick())
  }
}

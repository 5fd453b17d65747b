/** When a stream last moved, and how fast it usually does: what silence is too long for it. */

/** Silence that is never too long, and how many of its usual pauses are. */
const STALL_MS_MIN = 1_500
const STALL_PACES = 8
const LATE_PACES = 2
/** How much the newest pause counts in the usual one. */
const WEIGHT = 0.1

export class StreamPace {
  #movedMs: number
  #pauseMs = 0
  #hasData = false
  #wasPaused = false

  constructor(nowMs: number) {
    this.#movedMs = nowMs
  }

  /** When the engine last moved, by `Clock.elapsedMs`. */
  get movedMs(): number {
    return this.#movedMs
  }

  /** The reader is slow, and the engine with it: from here on the pace says nothing about the node. */
  pause(nowMs: number): void {
    this.#wasPaused = true
    this.#movedMs = nowMs
  }

  get wasPaused(): boolean {
    return this.#wasPaused
  }

  /** The node that it is on has delivered something. */
  get hasData(): boolean {
    return this.#hasData
  }

  /** It is on another node from now on. */
  begin(nowMs: number): void {
    this.#hasData = false
    this.#wasPaused = false
    this.#movedMs = nowMs
  }

  /** Something moved that is no text: the prompt was read, or the reader went on. */
  move(nowMs: number): void {
    this.#movedMs = nowMs
  }

  deliver(nowMs: number): void {
    if (this.#hasData) this.#pauseMs += WEIGHT * (nowMs - this.#movedMs - this.#pauseMs)
    this.#hasData = true
    this.#movedMs = nowMs
  }

  /** After such a silence more of it was due, and only other signs of its node tell that it will come. */
  lateMs(): number {
    return Math.max(STALL_MS_MIN, LATE_PACES * this.#pauseMs)
  }

  /** How long its node may say nothing, once it has begun, if another can go on. */
  stallMs(): number {
    return Math.max(STALL_MS_MIN, STALL_PACES * this.#pauseMs)
  }
}

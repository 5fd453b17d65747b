/** What must hold by the true time of the simulation, which no process of it can see. */
import type { Coordinator } from '#coordinator/coordinator.ts'
import type { CoordinatorEvent } from '#coordinator/coordinator-events.ts'
import { assert } from '#kernel/assert.ts'
import type { UsageRecord } from '#protocol/usage.ts'
import type { Scheduler } from './scheduler.ts'

/** After a start no slice expires for this long: its gateway may have served on, and first brings in what it owes. */
const NO_EXPIRY_AFTER_START_MS = 60_000
/** A gateway admits work on a slice only for so long after it was lent or kept. */
const ADMITS_MS = 150_000

export class TimeRules {
  readonly #scheduler: Scheduler
  /** When each slice was lent or kept last. */
  readonly #lentAtMs = new Map<string, number>()

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
  }

  /** Watches all that a coordinator decides from its start on. */
  watch(coordinator: Coordinator): void {
    const startedAtMs = this.#scheduler.nowMs()
    let offsetMs: number | null = null
    coordinator.onEvent((event) => {
      const nowMs = this.#scheduler.nowMs()
      this.#note(event, nowMs - startedAtMs)
      if (!('atMs' in event) || event.atMs === undefined) return
      // A wall clock that is set while it runs moves nothing: its time passes as time does.
      const found = event.atMs - nowMs
      offsetMs ??= found
      assert(Math.abs(found - offsetMs) <= 1, `cell time jumps by ${Math.round(found - offsetMs)} ms`)
    })
  }

  #note(event: CoordinatorEvent, upMs: number): void {
    if (event.type === 'ledger.hold_opened' || event.type === 'ledger.hold_extended') {
      this.#lentAtMs.set(event.holdId, this.#scheduler.nowMs())
    } else if (event.type === 'ledger.hold_expired') {
      assert(
        upMs >= NO_EXPIRY_AFTER_START_MS,
        `a slice expires ${Math.round(upMs)} ms after the coordinator's start`,
      )
    }
  }

  /** A gateway said how a request came out, now. */
  readOutcome({ requestId, holdId, totalMs }: UsageRecord): void {
    const lentAtMs = this.#lentAtMs.get(holdId)
    if (lentAtMs === undefined) return
    const admittedMs = this.#scheduler.nowMs() - totalMs - lentAtMs
    assert(
      admittedMs <= ADMITS_MS,
      `request ${requestId} came ${Math.round(admittedMs / 1_000)} s after its slice was lent, and was let in`,
    )
  }
}

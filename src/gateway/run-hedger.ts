/**
 * Second tries: a request that has heard nothing for longer than nearly all others of its model and length gets a second
 * node, and whichever delivers first is its node. At most a tenth of all requests, and only while there is room to spare:
 * a second try must not be what makes others wait.
 */
import type { Clock, Timer } from '#host/host.ts'
import type { Place } from './attempt.ts'
import type { NodeConnection } from './node-connection.ts'
import type { RequestRun } from './request-run.ts'
import { HedgeBudget } from './routing/hedge-budget.ts'
import { HedgeTimes } from './routing/hedge-times.ts'
import type { ModelSeats } from './routing/model-seats.ts'
import type { LiveSeat } from './run-offer.ts'

/** So much of all slots must be free, at least. */
const SPARE_SHARE_MIN = 0.1
/** What is late is looked at again after this: what came meanwhile may lie here, unread. */
const LOOK_AGAIN_MS = 5
/** Looked at so much later than that, it is this gateway that is slow: a second node would not be heard sooner. */
const LAG_MS_MAX = 10

export interface Hedger {
  /** A request came. */
  earn(): void
  /** A node was asked. */
  asked(run: RequestRun): void
  /** Its first token came, or it left its node. */
  heard(run: RequestRun): void
  close(): void
}

export function createHedger(
  clock: Clock,
  parts: {
    tableOf(model: string): ModelSeats<NodeConnection> | null
    choose(
      run: RequestRun,
      table: ModelSeats<NodeConnection>,
      isAlso: (seat: LiveSeat) => boolean,
    ): Place | null
    waitingFor(model: string): number
  },
): Hedger {
  const budget = new HedgeBudget()
  const times = new HedgeTimes<RequestRun>()
  let timer: Timer | null = null
  let isClosed = false

  /** For when the first of those that have heard nothing is late. */
  function arm(): void {
    if (timer || isClosed) return
    const dueMs = times.nextDueMs()
    if (dueMs === null) return
    timer = clock.after(Math.max(0, dueMs - clock.elapsedMs()), lookAgain)
  }

  /** Races what is late, once this gateway has read what lay here. */
  function lookAgain(): void {
    const nowMs = clock.elapsedMs()
    const dueMs = times.nextDueMs()
    timer = null
    // What the timer was for has heard meanwhile.
    if (dueMs === null || dueMs > nowMs) return arm()
    timer = clock.after(LOOK_AGAIN_MS, () => {
      if (clock.elapsedMs() - nowMs - LOOK_AGAIN_MS > LAG_MS_MAX) return lookAgain()
      timer = null
      for (const run of times.takeDue(nowMs)) if (run.mayRace) race(run)
      arm()
    })
  }

  function race(run: RequestRun): void {
    const table = parts.tableOf(run.model)
    if (isClosed || !table || !budget.canSpend || parts.waitingFor(run.model) > 0) return
    if (table.slots - table.busy < Math.max(1, SPARE_SHARE_MIN * table.slots)) return
    const isOther = ({ node, health, offer }: LiveSeat): boolean =>
      node.nodeId !== run.nodeId && health.isIn && run.covers(offer)
    const place = parts.choose(run, table, isOther)
    if (!place) return
    budget.spend()
    run.race(place)
  }

  return {
    earn: () => budget.earn(),
    asked(run) {
      if (!run.mayRace) return
      const p95 = parts.tableOf(run.model)?.times.p95(run.needs.promptTokens) ?? null
      if (p95 === null) return
      times.add(run, clock.elapsedMs(), p95)
      arm()
    },
    heard: (run) => times.remove(run),
    close() {
      isClosed = true
      timer?.cancel()
    },
  }
}

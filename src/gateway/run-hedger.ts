/**
 * Second tries: a request that has heard nothing for longer than nearly all others of its model and length gets a second
 * node, and whichever delivers first is its node. At most a tenth of all requests, and only while there is room to spare:
 * a second try must not be what makes others wait.
 */
import type { Clock } from '#host/host.ts'
import type { Place } from './attempt.ts'
import type { NodeConnection } from './node-connection.ts'
import type { RequestRun } from './request-run.ts'
import { HedgeBudget } from './routing/hedge-budget.ts'
import { LateWatch } from './routing/late-watch.ts'
import type { ModelSeats } from './routing/model-seats.ts'
import type { LiveSeat } from './run-offer.ts'

/** So much of all slots must be free, at least. */
const SPARE_SHARE_MIN = 0.1

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
  const late = new LateWatch<RequestRun>(clock, race)
  let isClosed = false

  function race(run: RequestRun): void {
    const table = parts.tableOf(run.model)
    noteQuiet(run)
    if (isClosed || !run.mayRace || !table || !budget.canSpend || parts.waitingFor(run.model) > 0) return
    if (table.slots - table.busy < Math.max(1, SPARE_SHARE_MIN * table.slots)) return
    const isOther = ({ node, health, offer }: LiveSeat): boolean =>
      node.nodeId !== run.nodeId && health.isIn && run.covers(offer)
    const place = parts.choose(run, table, isOther)
    if (!place) return
    budget.spend()
    run.race(place)
  }

  /** A node that has said nothing at all since it was asked gets no more until it does. */
  function noteQuiet({ attempt }: RequestRun): void {
    if (attempt && attempt.node.lastHeardMs < attempt.placement.startedMs) attempt.node.isQuiet = true
  }

  return {
    earn: () => budget.earn(),
    asked(run) {
      if (!run.mayRace) return
      const lateMs = run.attempt?.placement.lateMs ?? null
      if (lateMs !== null) late.add(run, lateMs)
    },
    heard: (run) => late.remove(run),
    close() {
      isClosed = true
      late.close()
    },
  }
}

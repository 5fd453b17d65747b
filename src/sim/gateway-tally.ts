/** Counts what one gateway tells while it lives, and holds it against what must never be. */
import { type GatewayTelemetry, noTelemetry } from '#gateway/telemetry.ts'
import { assert } from '#kernel/assert.ts'

/** Second tries are at most this share of all requests. */
const HEDGED_SHARE_MAX = 0.1

export interface GatewayCounts {
  admitted: number
  hedged: number
  hedgesWon: number
  failovers: number
  ejected: number
  readmitted: number
}

export const emptyCounts = (): GatewayCounts => ({
  admitted: 0,
  hedged: 0,
  hedgesWon: 0,
  failovers: 0,
  ejected: 0,
  readmitted: 0,
})

/** `counts` is added to; the checks are of this one gateway. `watch` hears of tries and failures, too. */
export function tallyGateway(counts: GatewayCounts, watch: Partial<GatewayTelemetry> = {}): GatewayTelemetry {
  const open = new Map<string, { hasBegun: boolean; races: number }>()
  let admitted = 0
  let hedged = 0
  const runOf = (requestId: string) => {
    const run = open.get(requestId)
    assert(run, `${requestId} is told of while it is open`)
    return run
  }
  const tally: GatewayTelemetry = {
    ...noTelemetry,
    onAdmitted({ requestId }) {
      assert(!open.has(requestId), `${requestId} is admitted once`)
      open.set(requestId, { hasBegun: false, races: 0 })
      admitted++
      counts.admitted++
    },
    onFirstToken({ requestId }) {
      const run = runOf(requestId)
      assert(!run.hasBegun, `${requestId} has one first token`)
      run.hasBegun = true
    },
    onFailover({ requestId, hasBegun }) {
      assert(runOf(requestId).hasBegun === hasBegun, `${requestId} knows whether it had begun`)
      counts.failovers++
    },
    onHedge({ requestId, result }) {
      const run = runOf(requestId)
      if (result === 'started') {
        assert(!run.hasBegun && run.races === 0, `${requestId} races once at a time, before its first token`)
        run.races++
        hedged++
        counts.hedged++
        assert(
          hedged <= HEDGED_SHARE_MAX * admitted,
          `${hedged} second tries are more than a tenth of ${admitted} requests`,
        )
        return
      }
      run.races--
      if (result === 'won') counts.hedgesWon++
    },
    onEjected: () => void counts.ejected++,
    onReadmitted: () => void counts.readmitted++,
    onOutcome({ requestId }) {
      runOf(requestId)
      open.delete(requestId)
    },
  }
  return {
    ...tally,
    onAttempt: (event) => watch.onAttempt?.(event),
    onFailover(event) {
      tally.onFailover(event)
      watch.onFailover?.(event)
    },
    onEjected(event) {
      tally.onEjected(event)
      watch.onEjected?.(event)
    },
    onFailed: (event) => watch.onFailed?.(event),
    onToken: (...event) => watch.onToken?.(...event),
  }
}

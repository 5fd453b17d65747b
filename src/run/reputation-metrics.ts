/** What a coordinator shows of how well its nodes work: of all together, for one each would be too many. */
import type { Coordinator } from '#coordinator/coordinator.ts'
import { barOf } from '#coordinator/node-bars.ts'
import { type AnyFamily, createMetrics } from '#host/metrics.ts'
import { reputationMetrics } from './metric-tables.ts'

export interface ReputationMetrics {
  readonly families: readonly AnyFamily[]
  /** Counts what happens from now on. */
  watch(coordinator: Pick<Coordinator, 'onEvent'>): void
  /** Sets what is shown as it is now. */
  collect(coordinator: Pick<Coordinator, 'state' | 'nowMs'>): void
}

const GOOD_MIN = 90
const FAIR_MIN = 50
const bandOf = (standing: number): string =>
  standing >= GOOD_MIN ? 'good' : standing >= FAIR_MIN ? 'fair' : 'poor'

export function createReputationMetrics(): ReputationMetrics {
  const metrics = createMetrics(reputationMetrics)
  return {
    families: Object.values(metrics),
    watch({ onEvent }) {
      onEvent((event) => {
        if (event.type === 'reputation.node_sick') return metrics.sickened.of(event.code).add()
        if (event.type !== 'usage.recorded') return
        for (const { how } of event.record.failed ?? []) metrics.failures.of(how).add()
      })
    },
    collect({ state, nowMs }) {
      const atMs = nowMs()
      metrics.standing.clear()
      metrics.barred.clear()
      for (const [nodeId, { standing }] of state.reputation.nodes) {
        metrics.standing.of(bandOf(standing)).add(1)
        const bar = barOf(state, nodeId, atMs)
        if (bar) metrics.barred.of(bar.code).add(1)
      }
      metrics.halted.of().set(state.reputation.halted.size)
    },
  }
}

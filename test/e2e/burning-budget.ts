import assert from 'node:assert/strict'
import { openCoordinator } from '#coordinator/coordinator.ts'
import { slaIn } from '#coordinator/sla/step-sla.ts'
import { openNodeHost } from '#host/node/open-node-host.ts'
import { BIN_MS, binStartOf } from '#sla/bins.ts'

/**
 * Lets the network of `folder`, which was not started yet, have failed every request of `organisationId` for the
 * last hour: bins take five minutes, which no test waits for.
 */
export async function burnBudget(folder: string, organisationId: string): Promise<void> {
  const host = openNodeHost({ folder, logName: 'network', logLevel: 'info' })
  const onFatal = (problem: Error): never => assert.fail(problem)
  const coordinator = await openCoordinator(host, { snapshotEvery: 1_000, onFatal })
  await new Promise<void>((resolve) =>
    coordinator.execute((turn) => {
      const { nowMs } = turn
      const slaClass = 'business'
      const counts = Array.from({ length: 13 }, (_, index) => ({
        ...{ organisationId, slaClass: 'business' as const, count: 20 },
        ...{ binStartMs: binStartOf(nowMs) - index * BIN_MS, problem: 'no_node_available' },
      }))
      const tally = { gatewayId: 'gateway', run: 'run', refused: counts, open: [] }
      assert.equal(slaIn(turn, { kind: 'set_class', organisationId, slaClass, nowMs }), null)
      assert.equal(slaIn(turn, { kind: 'tally', spoolId: 'spool', sequence: 1, tally, nowMs }), null)
    }, resolve),
  )
  await coordinator.close()
}

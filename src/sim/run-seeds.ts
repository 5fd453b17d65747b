import assert from 'node:assert/strict'
import { MINUTE_MS } from '#kernel/time.ts'
import { administersIn, type FaultKind, faultKinds, hasForgersIn, isMoodyIn } from './sim-plan.ts'
import { type SimRun, simulate } from './simulate.ts'

/** What makes two runs of a seed differ shows in any of them. */
const TWICE_EVERY = 3

/** Runs each seed of `from` to `to`, each third twice; rejects with the command that replays the first failure. */
export async function runSeeds(from: number, to: number): Promise<void> {
  const runs: SimRun[] = []
  for (let seed = from; seed <= to; seed++) {
    try {
      const plan = {
        administers: administersIn(seed),
        isMoody: isMoodyIn(seed),
        hasForgers: hasForgersIn(seed),
      }
      const run = await simulate(seed, plan)
      if (seed % TWICE_EVERY === 0) {
        const again = await simulate(seed, plan)
        assert.equal(again.digest, run.digest, 'two runs of one seed are the same run')
      }
      assert(run.plan.nodes >= 20, 'the fleet is no toy')
      assert(run.simulatedMs >= 15 * MINUTE_MS, 'the run is long enough for what is rare')
      assert((run.calls['completed'] ?? 0) > 0, 'work was done')
      runs.push(run)
    } catch (error) {
      throw new Error(
        `seed ${seed} fails; replay it with: npm run sim -- --seeds 1 --from ${seed} --verbose`,
        {
          cause: error,
        },
      )
    }
  }
  checkReach(runs)
}

/** Throws when some kind of fault, or what it is meant to bring about, came in none of the runs. */
function checkReach(runs: readonly SimRun[]): void {
  const sum = (of: (run: SimRun) => number): number => runs.reduce((total, run) => total + of(run), 0)
  const counts = Object.fromEntries(faultKinds.map((kind) => [kind, sum(({ faults }) => faults[kind])]))
  const missing = faultKinds.filter((kind: FaultKind) => counts[kind] === 0)
  assert.deepEqual(missing, [], `faults that never struck; all: ${JSON.stringify(counts)}`)
  for (const code of ['epoch_stale', 'disk_failed', 'disk_full', 'journal_corrupt'] as const)
    assert(sum(({ deaths }) => deaths[code] ?? 0) > 0, `no process ended with ${code}`)
  assert(sum(({ tornGroups }) => tornGroups) > 0, 'no write was torn')
  assert(sum(({ calls }) => calls['refused 402'] ?? 0) > 0, 'no balance ran dry')
  assert(sum(({ gateways }) => gateways.hedgesWon) > 0, 'no second try was quicker')
  assert(sum(({ gateways }) => gateways.hedged - gateways.hedgesWon) > 0, 'no second try was in vain')
  assert(sum(({ losersPaid }) => losersPaid) > 0, 'no node was paid for a prompt that it read in vain')
  assert(sum(({ cachedTokens }) => cachedTokens) > 0, 'no token cost less for having been read before')
  assert(sum(({ gateways }) => gateways.ejected) > 0, 'no node was put out')
}

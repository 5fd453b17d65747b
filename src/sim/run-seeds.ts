import assert from 'node:assert/strict'
import { MINUTE_MS } from '#kernel/time.ts'
import { simulate } from './simulate.ts'

/** Runs each seed of `from` to `to` twice; rejects with the command that replays the first failure. */
export async function runSeeds(from: number, to: number): Promise<void> {
  for (let seed = from; seed <= to; seed++) {
    try {
      const run = await simulate(seed)
      const again = await simulate(seed)
      assert.equal(again.digest, run.digest, 'two runs of one seed are the same run')
      assert(run.plan.nodes >= 20, 'the fleet is no toy')
      assert(run.simulatedMs >= 15 * MINUTE_MS, 'the run is long enough for what is rare')
      assert((run.calls['completed'] ?? 0) > 0, 'work was done')
    } catch (error) {
      throw new Error(
        `seed ${seed} fails; replay it with: npm run sim -- --seeds 1 --from ${seed} --verbose`,
        {
          cause: error,
        },
      )
    }
  }
}

import { assert } from '#kernel/assert.ts'
import { type FarmRun, runFarm } from './farm-run.ts'

export interface FarmSeeds {
  readonly from: number
  readonly seeds: number
  /** Runs each seed twice and compares. */
  readonly isTwice: boolean
  onRun(run: FarmRun): void
}

/** Runs so many farms; rejects with the command that replays the first that fails. Answers what came about in all of them. */
export async function runFarmSeeds({
  from,
  seeds,
  isTwice,
  onRun,
}: FarmSeeds): Promise<Record<string, number>> {
  const sums: Record<string, number> = {}
  for (let seed = from; seed < from + seeds; seed++) {
    try {
      const run = await runFarm(seed)
      if (isTwice) {
        const again = JSON.stringify(await runFarm(seed))
        assert(again === JSON.stringify(run), 'two runs of one seed are the same run')
      }
      onRun(run)
      for (const [name, count] of Object.entries(countsOf(run))) sums[name] = (sums[name] ?? 0) + count
    } catch (error) {
      const replay = `npm run sim -- --farm --seeds 1 --from ${seed} --verbose`
      throw new Error(`seed ${seed} fails; replay it with: ${replay}`, { cause: error })
    }
  }
  return sums
}

function countsOf({ tally, plan, events, simulatedMs, kills, crashes, freezes }: FarmRun) {
  const { paused, ...counts } = tally
  return {
    jobs: plan.jobs,
    nodes: plan.nodes,
    ...counts,
    ...paused,
    kills,
    crashes,
    freezes,
    events,
    simulatedMs,
  }
}

import { assert } from '#kernel/assert.ts'
import type { NanoUsd } from '#kernel/money.ts'
import { type MoneyOutcome, runMoney } from './money-run.ts'

export interface MoneySums {
  readonly byManner: Record<
    string,
    { liars: NanoUsd; twins: NanoUsd; found: number; of: number; ahead: number }
  >
  tasks: number
  falseResults: number
  audits: number
  kills: number
  deliveredLate: number
  runningLost: number
  madeLost: number
}

/** Too few to tell luck from a rule. */
const SEEDS_JUDGED_MIN = 10

/**
 * Runs so many farms in which money counts. Rejects with the first seed that fails; when an honest node was found a liar; and when
 * liars of some kind have not less than the honest nodes beside them, all seeds together.
 */
export async function runMoneySeeds({
  from,
  seeds,
  onRun,
}: {
  readonly from: number
  readonly seeds: number
  onRun(run: MoneyOutcome): void
}): Promise<MoneySums> {
  const sums: MoneySums = {
    ...{ byManner: {}, tasks: 0, falseResults: 0, audits: 0, kills: 0 },
    ...{ deliveredLate: 0, runningLost: 0, madeLost: 0 },
  }
  for (let seed = from; seed < from + seeds; seed++) {
    const run = await outcomeOf(seed)
    onRun(run)
    add(sums, run)
  }
  for (const [manner, { liars, twins }] of Object.entries(sums.byManner))
    assert(seeds < SEEDS_JUDGED_MIN || liars < twins, `${manner} liars have ${liars}, honest nodes ${twins}`)
  return sums
}

async function outcomeOf(seed: number): Promise<MoneyOutcome> {
  try {
    const run = await runMoney(seed)
    assert(run.honestBlamed === 0, 'no honest node is found a liar')
    return run
  } catch (error) {
    const replay = `npm run sim -- --money --seeds 1 --from ${seed} --verbose`
    throw new Error(`seed ${seed} fails; replay it with: ${replay}`, { cause: error })
  }
}

const counted = [
  ...(['tasks', 'falseResults', 'audits', 'kills'] as const),
  ...(['deliveredLate', 'runningLost', 'madeLost'] as const),
]

function add(sums: MoneySums, run: MoneyOutcome): void {
  for (const name of counted) sums[name] += run[name]
  for (const { manner, liar, twin, isFound } of run.pairs) {
    const sum = sums.byManner[manner] ?? { liars: 0n, twins: 0n, found: 0, of: 0, ahead: 0 }
    sums.byManner[manner] = sum
    sum.liars += liar
    sum.twins += twin
    sum.of++
    if (isFound) sum.found++
    if (liar >= twin) sum.ahead++
  }
}

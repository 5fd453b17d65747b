/**
 * A process that runs seeds of the simulator with one planted bug, or with none.
 *
 *     node mutant-child.ts pinned NAME        the mutant's small world and pinned seeds, until one fails
 *     node mutant-child.ts free NAME FROM TO  worlds as the seeds draw them, until one fails
 *     node mutant-child.ts healthy NAME:SEED… the small worlds of these mutants, without any bug
 *     node mutant-child.ts sound NAME SEED    a world as the seed draws it for that mutant, without any bug
 *
 * Each run is one line of JSON.
 */
import { unreachable } from '#kernel/assert.ts'
import { administersIn } from '#sim/sim-plan.ts'
import { type AnyMutant, allMutants } from './farm-mutants.ts'
import { plant } from './load-mutant.ts'
import { PINNED_SEEDS } from './mutants.ts'

const [mode = '', ...args] = process.argv.slice(2)
const named = (name: string): AnyMutant =>
  allMutants.find((one) => one.name === name) ?? unreachable(name as never)
if (mode === 'pinned' || mode === 'free') plant(named(args[0] ?? ''))

if (mode === 'healthy') {
  for (const [name = '', seed] of args.map((arg) => arg.split(':')))
    await tell(named(name), Number(seed), true)
} else if (mode === 'sound') {
  await tell(named(args[0] ?? ''), Number(args[1]), false)
} else {
  const mutant = named(args[0] ?? '')
  const isPinned = mode === 'pinned'
  const [from, to] = isPinned ? [1, mutant.seeds ?? PINNED_SEEDS] : [Number(args[1]), Number(args[2])]
  for (let seed = from; seed <= to; seed++) {
    if (await tell(mutant, seed, isPinned)) break
  }
}

/** True when the run failed. The small world of the mutant, or one as the seed draws it. */
async function tell(mutant: AnyMutant, seed: number, isSmall: boolean): Promise<boolean> {
  const found = await run(mutant, seed, isSmall).then(() => null, messageOf)
  process.stdout.write(`${JSON.stringify({ name: mutant.name, seed, found })}\n`)
  return found !== null
}

/** Imported only now: a planted bug is in what is loaded after it. */
async function run(mutant: AnyMutant, seed: number, isSmall: boolean): Promise<unknown> {
  if ('farm' in mutant) {
    const { runFarm } = await import('#sim/farm-run.ts')
    return await runFarm(seed, isSmall ? mutant.farm : {})
  }
  const { simulate } = await import('#sim/simulate.ts')
  return await simulate(seed, isSmall ? mutant.world : { administers: administersIn(seed) })
}

/** Of the innermost cause: what the check itself said. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : messageOf(error.cause)
}

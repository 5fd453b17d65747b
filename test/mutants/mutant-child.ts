/**
 * A process that runs seeds of the simulator with one planted bug, or with none.
 *
 *     node mutant-child.ts pinned NAME        the mutant's small world and pinned seeds, until one fails
 *     node mutant-child.ts free NAME FROM TO  worlds as the seeds draw them, until one fails
 *     node mutant-child.ts healthy NAME:SEED… the small worlds of these mutants, without any bug
 *     node mutant-child.ts sound SEED         a world as the seed draws it, without any bug
 *
 * Each run is one line of JSON.
 */
import { unreachable } from '#kernel/assert.ts'
import { administersIn } from '#sim/sim-plan.ts'
import { plant } from './load-mutant.ts'
import { type Mutant, mutants, PINNED_SEEDS } from './mutants.ts'

const [mode = '', ...args] = process.argv.slice(2)
const named = (name: string): Mutant => mutants.find((one) => one.name === name) ?? unreachable(name as never)
if (mode === 'pinned' || mode === 'free') plant(named(args[0] ?? ''))
const { simulate } = await import('#sim/simulate.ts')

if (mode === 'healthy') {
  for (const [name = '', seed] of args.map((arg) => arg.split(':'))) await tell(named(name), Number(seed))
} else if (mode === 'sound') {
  const seed = Number(args[0])
  await tell({ name: mode, world: { administers: administersIn(seed) } }, seed)
} else {
  const mutant = named(args[0] ?? '')
  const isPinned = mode === 'pinned'
  const [from, to] = isPinned ? [1, mutant.seeds ?? PINNED_SEEDS] : [Number(args[1]), Number(args[2])]
  for (let seed = from; seed <= to; seed++) {
    if (await tell(mutant, seed, isPinned ? mutant.world : { administers: administersIn(seed) })) break
  }
}

/** True when the run failed. */
async function tell(
  { name, world }: Pick<Mutant, 'name' | 'world'>,
  seed: number,
  plan: Mutant['world'] = world,
): Promise<boolean> {
  const found = await simulate(seed, plan).then(() => null, messageOf)
  process.stdout.write(`${JSON.stringify({ name, seed, found })}\n`)
  return found !== null
}

/** Of the innermost cause: what the check itself said. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : messageOf(error.cause)
}

/**
 * `npm run sim:full`: each planted bug against free seeds, until one finds it, and how many that took.
 * `npm run sim:full -- [NAME…] [--from S] [--seeds N]`: some of them, from another seed on, at most so many seeds (1,000).
 * Ends with 1 when a bug escapes. A seed that fails without the bug as well has found nothing.
 */
import { parseArgs } from 'node:util'
import { allMutants as mutants } from './farm-mutants.ts'
import { inParallel, runChild } from './run-mutants.ts'

const AT_ONCE = 2
const TIMEOUT_MS = 3_600_000

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { from: { type: 'string', default: '1001' }, seeds: { type: 'string', default: '1000' } },
})
const unknown = positionals.find((name) => mutants.every((mutant) => mutant.name !== name))
if (unknown !== undefined) {
  console.error(
    `There is no mutant '${unknown}'. There are:\n${mutants.map(({ name }) => `  ${name}`).join('\n')}`,
  )
  process.exit(2)
}
const from = Number(values.from)
const to = from + Number(values.seeds) - 1
const chosen = mutants.filter(({ name }) => positionals.length === 0 || positionals.includes(name))
let escaped = 0

await inParallel(chosen, AT_ONCE, async ({ name, breaks }) => {
  const findings = await runChild(['free', name, String(from), String(to)], TIMEOUT_MS)
  const { found = null, seed } = findings.at(-1) ?? {}
  const [sound] = found === null ? [] : await runChild(['sound', name, String(seed)], TIMEOUT_MS)
  const isUnsound = sound !== undefined && sound.found !== null
  if (found === null || isUnsound) escaped++
  const seeds = found === null ? `escaped ${findings.length} seeds` : `${findings.length} seeds`
  const what = isUnsound ? `seed ${seed} fails without it, too: ${sound.found}` : (found ?? breaks)
  console.log(`${name.padEnd(36)} ${seeds.padStart(10)}  ${what}`)
})
console.log(
  `\n${chosen.length - escaped} of ${chosen.length} planted bugs were found in at most ${values.seeds} seeds each.`,
)
process.exitCode = escaped === 0 ? 0 : 1

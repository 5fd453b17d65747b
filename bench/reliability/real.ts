/**
 * Runs one scenario on real processes and prints one line of JSON: what `bench/reliability.ts` runs as a child.
 *
 *     node bench/reliability/real.ts NAME [--seed 1] [--quick]
 */
import { parseArgs } from 'node:util'
import { churn } from './churn.ts'
import { clock } from './clock.ts'
import { disk } from './disk.ts'
import { firstWork } from './first-work.ts'
import { gray } from './gray.ts'
import { joinStorm } from './join-storm.ts'
import { overload } from './overload.ts'
import { partition } from './partition.ts'
import { replay } from './replay.ts'
import { restore } from './restore.ts'
import { retryingCallers } from './retrying-callers.ts'
import { sandbox } from './sandbox.ts'
import type { Scenario } from './scenario.ts'
import { upgrade } from './upgrade.ts'

const scenarios: Readonly<Record<string, Scenario>> = {
  churn,
  clock,
  disk,
  'first-work': firstWork,
  gray,
  'join-storm': joinStorm,
  overload,
  partition,
  replay,
  restore,
  'retrying-callers': retryingCallers,
  sandbox,
  upgrade,
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string', default: '1' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const [name = ''] = positionals
const scenario = scenarios[name]
if (!scenario) {
  console.error(`There is no scenario '${name}'. There are: ${Object.keys(scenarios).join(', ')}.`)
  process.exit(2)
}
const seed = Number(values.seed)
const { figures, checks, notRun = [] } = await scenario({ seed, isQuick: values.quick })
const passes = checks.every(({ isPassed }) => isPassed)
console.log(
  JSON.stringify({ name, seed, figures, checks, notRun, passes }, (_, value) =>
    typeof value === 'bigint' ? `${value}` : value,
  ),
)
process.exit(passes ? 0 : 1)

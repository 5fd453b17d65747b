/** The reliability scenarios by name, and how one is run from the command line. */
import { assert } from '#kernel/assert.ts'
import { crash } from './crash.ts'
import { gaming } from './gaming.ts'
import { gray } from './gray.ts'
import { malicious } from './malicious/malicious.ts'
import { overload } from './overload.ts'
import { partition } from './partition.ts'
import type { Scenario, ScenarioOptions } from './scenario.ts'

export const scenarios: Readonly<Record<string, Scenario>> = {
  'gaming-100k': gaming,
  gray,
  crash,
  overload,
  malicious,
  partition,
}

/** Runs `name` and prints it: one line of JSON, or a line for each figure. Sets the exit status. */
export async function runScenario(
  name: string,
  options: ScenarioOptions & { isJson: boolean },
): Promise<void> {
  const scenario = scenarios[name]
  if (!scenario) {
    console.error(`There is no scenario '${name}'. There are: ${Object.keys(scenarios).join(', ')}.`)
    process.exitCode = 2
    return
  }
  const { isJson, ...given } = options
  const { seed } = given
  assert(Number.isSafeInteger(seed), 'a seed is a whole number')
  const { figures, promises } = await scenario(given)
  const passes = Object.values(promises).every(Boolean)
  if (isJson) console.log(JSON.stringify({ name, seed, figures, promises, passes }))
  else {
    for (const [what, figure] of Object.entries(figures)) console.log(`${what.padEnd(32)} ${figure}`)
    for (const [what, isKept] of Object.entries(promises))
      console.log(`${isKept ? 'kept  ' : 'BROKEN'} ${what}`)
  }
  if (!passes) process.exitCode = 1
}

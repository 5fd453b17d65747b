/** The reliability scenarios by name, and how one is run from the command line. */
import { assert } from '#kernel/assert.ts'
import { churn } from './churn.ts'
import { clock } from './clock.ts'
import { crash } from './crash.ts'
import { gaming } from './gaming.ts'
import { gray } from './gray.ts'
import { joinStorm } from './join-storm.ts'
import { malicious } from './malicious/malicious.ts'
import { overload } from './overload.ts'
import { partition } from './partition.ts'
import { replay } from './replay.ts'
import type { Scenario, ScenarioOptions } from './scenario.ts'
import { slaMonth } from './sla-month/sla-month.ts'
import { speed } from './speed.ts'
import { upgrade } from './upgrade.ts'

export const scenarios: Readonly<Record<string, Scenario>> = {
  'gaming-100k': gaming,
  gray,
  churn,
  clock,
  'join-storm': joinStorm,
  crash,
  overload,
  malicious,
  partition,
  'sla-month': slaMonth,
  replay,
  speed,
  upgrade,
}

/** What is printed of a run: one line of JSON, or a line for each figure; and whether all that was promised was kept. */
export async function runScenario(
  name: string,
  options: ScenarioOptions & { isJson: boolean; isTable?: boolean },
): Promise<{ readonly text: string; readonly passes: boolean }> {
  const scenario = scenarios[name]
  assert(scenario, `there is a scenario '${name}'; there are: ${Object.keys(scenarios).join(', ')}`)
  const { isJson, isTable, ...given } = options
  const { seed } = given
  assert(Number.isSafeInteger(seed), 'a seed is a whole number')
  const { figures, promises, table = '' } = await scenario(given)
  const passes = Object.values(promises).every(Boolean)
  if (isTable) return { text: table, passes }
  if (isJson) return { text: JSON.stringify({ name, seed, figures, promises, passes }), passes }
  const lines = [
    ...Object.entries(figures).map(([what, figure]) => `${what.padEnd(40)} ${figure}`),
    ...Object.entries(promises).map(([what, isKept]) => `${isKept ? 'kept  ' : 'BROKEN'} ${what}`),
  ]
  return { text: lines.join('\n'), passes }
}

import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Problem } from '#protocol/problem.ts'
import { ENERGY_FILE } from './energy-config.ts'

/** The node of `shoal up` (agent), or of `shoal provide` (provider). */
export type NodeKind = 'agent' | 'provider'

/** The file of the node of `dataFolder`. Throws a `Problem` where there is none, or two and nobody says which. */
export function findEnergyRecord(dataFolder: string, wanted: NodeKind | undefined): string {
  const folder = resolve(dataFolder)
  const kinds = wanted ? [wanted] : (['agent', 'provider'] as const)
  const [kind, other] = kinds.filter((one) => existsSync(join(folder, one, ENERGY_FILE)))
  if (other) {
    throw new Problem(
      'config_invalid',
      `${folder} has the records of two nodes: say which with --node agent (of "shoal up") or --node provider.`,
    )
  }
  if (kind) return join(folder, kind, ENERGY_FILE)
  throw new Problem(
    'not_found',
    `${folder} has no record of a node: none has run from it yet. Start one with "shoal provide", or name its folder with --data.`,
  )
}

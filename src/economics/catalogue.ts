/** Everything that is shipped to look up: GPUs, electricity, networks. Reading the files is the caller's. */
import type { z } from 'zod'
import { describeIssue } from '#protocol/describe-issue.ts'
import { Problem } from '#protocol/problem.ts'
import { ElectricityFile, type Place } from './electricity-data.ts'
import { type Gpu, GpuFile } from './gpu-data.ts'
import { type GpuNetwork, NetworkFile } from './network-data.ts'

export interface Catalogue {
  readonly gpus: readonly Gpu[]
  readonly places: readonly Place[]
  readonly networks: readonly GpuNetwork[]
  readonly tokens: NetworkFile['token_volatility']
  /** What a source id of one of the files means, for people. */
  readonly sources: {
    readonly gpus: Readonly<Record<string, string>>
    readonly electricity: Readonly<Record<string, string>>
    readonly networks: Readonly<Record<string, string>>
  }
}

/** The three files as JSON. */
export interface CatalogueFiles {
  readonly gpus: unknown
  readonly electricity: unknown
  readonly networks: unknown
}

/** Throws `Problem('config_invalid')` that names the file, the field and what is wrong with it. */
export function parseCatalogue(files: CatalogueFiles): Catalogue {
  const gpus = parse(GpuFile, files.gpus, 'gpus.json')
  const electricity = parse(ElectricityFile, files.electricity, 'electricity.json')
  const networks = parse(NetworkFile, files.networks, 'networks.json')
  return {
    gpus: gpus.gpus,
    places: electricity.places,
    networks: networks.networks,
    tokens: networks.token_volatility,
    sources: {
      gpus: gpus.sources,
      electricity: Object.fromEntries(
        Object.entries(electricity.sources).map(([id, { name, basis }]) => [id, `${name}; ${basis}`]),
      ),
      networks: networks.sources,
    },
  }
}

function parse<T>(schema: z.ZodType<T>, value: unknown, file: string): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw new Problem(
    'config_invalid',
    `${describeIssue(result.error, file)} Restore the file that was shipped.`,
  )
}

import type { AgentConfig } from './agent-config.ts'
import { type EngineFlags, engineOf } from './engine-flags.ts'
import { settleEngine } from './gpu-build.ts'
import { type HostingFlags, hostingOf, ownEngine } from './hosting-flags.ts'

type Terminal = Parameters<typeof settleEngine>[0] & {
  readonly env: Readonly<Record<string, string | undefined>>
}
type Builds = Parameters<typeof settleEngine>[2]

export interface ServingFlags extends EngineFlags, HostingFlags {
  /** `--model` was given, and is not its default. */
  readonly modelGiven: boolean
}

/** What a node serves, its own and the network's, with the GPU settled for both. Rejects as `settleEngine` does. */
export async function settleServing(
  terminal: Terminal,
  flags: ServingFlags,
  builds: Builds,
): Promise<Pick<AgentConfig, 'engine' | 'hosting'>> {
  const built = await settleEngine(terminal, engineOf(flags), builds)
  const hosting = hostingOf(flags, terminal.env)
  const engine = ownEngine(built, flags)
  if (!hosting) return { engine, hosting }
  // Beside an engine elsewhere the built-in one needs its build all the same.
  const own = built.kind === 'llama-cpp' ? built : await settleEngine(terminal, builtIn(flags), builds)
  const gpu = own.kind === 'llama-cpp' ? { gpu: own.gpu, enginesFolder: own.enginesFolder } : {}
  return { engine, hosting: { ...hosting, ...gpu } }
}

function builtIn(flags: ServingFlags): AgentConfig['engine'] {
  const { upstream: _, ...others } = flags
  return engineOf(others)
}

import { clip } from '#fleet/gpu-probe/gpu-probe.ts'
import type { Machine } from '#host/machine.ts'
import { probeGpus } from '#host/probe-gpus.ts'
import type { Capability } from '#protocol/capability.ts'

export interface MeasureOptions {
  /** Where the agent keeps its models and spools: its disk is the one that counts. */
  readonly dataFolder: string
  readonly agentVersion: string
}

const LIST_MAX = 64

/**
 * Measures the machine itself: GPUs, CPU, memory, disk, power. `engines` and `models` are empty: they belong to the
 * engines, which are measured once they run. Never rejects; what could not be measured is `null` or in `problems`.
 */
export async function measureMachine(machine: Machine, options: MeasureOptions): Promise<Capability> {
  const [{ gpus, problems }, diskFreeMib, cpuPowerWatts] = await Promise.all([
    probeGpus(machine),
    machine.diskFreeMib(options.dataFolder),
    machine.cpuPowerWatts(),
  ])
  const facts = machine.facts()
  const diskProblems =
    diskFreeMib === null
      ? [`The free disk space of ${options.dataFolder} cannot be read: it counts as none.`]
      : []
  return {
    agentVersion: clip(options.agentVersion),
    osName: clip(facts.osName),
    cpu: { model: clip(facts.cpuModel), cores: facts.cores },
    memoryMib: facts.memoryMib,
    diskFreeMib: diskFreeMib ?? 0,
    gpus: gpus.slice(0, LIST_MAX),
    powerWatts: sumOfKnown([...gpus.map((gpu) => gpu.powerWatts), cpuPowerWatts]),
    engines: [],
    models: [],
    problems: [...problems, ...diskProblems].slice(0, LIST_MAX).map(clip),
  }
}

/** `null` when nothing is known: 0 W would be a claim. */
function sumOfKnown(parts: readonly (number | null)[]): number | null {
  const known = parts.filter((watts) => watts !== null)
  return known.length === 0 ? null : Math.round(known.reduce((sum, watts) => sum + watts, 0) * 100) / 100
}

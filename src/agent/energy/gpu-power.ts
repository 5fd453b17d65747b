/** What all GPUs of the machine draw together, asked from the vendors' tools. */
import type { GpuProbe } from '#fleet/gpu-probe/gpu-probe.ts'
import { type NvidiaField, nvidiaQuery, parseNvidiaSmi } from '#fleet/gpu-probe/nvidia-smi.ts'
import { parseRocmSmi, rocmQuery } from '#fleet/gpu-probe/rocm-smi.ts'
import type { Machine } from '#host/machine.ts'

export interface GpuPower {
  /** The sum over the GPUs that tell; `null` when none does. */
  readonly watts: number | null
  /** Why it is not the whole; `null` when every GPU told its power. */
  readonly problem: string | null
}

/** Far less than between two readings: a tool that hangs must not hold them up. */
const TIMEOUT_MS = 5_000
const fields = ['index', 'uuid', 'name', 'power.draw'] as const satisfies readonly NvidiaField[]

/** Reads the power of the GPUs. Never rejects. A tool that is not there is asked once only. */
export function createGpuPower(machine: Pick<Machine, 'run'>): () => Promise<GpuPower> {
  const tools = [
    {
      name: 'nvidia-smi',
      args: nvidiaQuery(fields),
      parse: (result: Answer) => parseNvidiaSmi(result, fields),
    },
    { name: 'rocm-smi', args: rocmQuery, parse: parseRocmSmi },
  ]
  const absent = new Set<string>()

  return async () => {
    const probes = await Promise.all(
      tools
        .filter(({ name }) => !absent.has(name))
        .map(async ({ name, args, parse }) => {
          const result = await machine.run(name, args, { timeoutMs: TIMEOUT_MS })
          if (result === 'not_found') absent.add(name)
          return parse(result)
        }),
    )
    return sumUp(probes)
  }
}
type Answer = Awaited<ReturnType<Machine['run']>>

function sumUp(probes: readonly GpuProbe[]): GpuPower {
  const gpus = probes.flatMap((probe) => probe.gpus)
  const silent = gpus.filter((gpu) => gpu.powerWatts === null)
  const known = gpus.flatMap((gpu) => (gpu.powerWatts === null ? [] : [gpu.powerWatts]))
  const problem =
    probes.flatMap((probe) => probe.problems)[0] ??
    (silent.length === 0
      ? null
      : `${silent.map((gpu) => `GPU ${gpu.index} (${gpu.name})`).join(', ')} does not tell its power: it is not counted.`)
  return { watts: known.length === 0 ? null : known.reduce((sum, watts) => sum + watts, 0), problem }
}

import type { GpuMatch } from '#economics/find-gpu.ts'
import { findGpu } from '#economics/find-gpu.ts'
import type { Gpu } from '#economics/gpu-data.ts'
import { probeGpus } from '#host/probe-gpus.ts'
import type { CliContext } from './context.ts'

export interface OwnGpus {
  /** As the driver says it: `NVIDIA GeForce RTX 4090`. */
  readonly name: string
  /** Of that name. */
  readonly count: number
  /** What of the catalogue it is. */
  readonly match: GpuMatch
}

/** The GPUs of this machine, those of the first one's name; `null` without any that a driver tells of. */
export async function findOwnGpus(
  { machine }: Pick<CliContext, 'machine'>,
  catalogue: readonly Gpu[],
): Promise<OwnGpus | null> {
  const { gpus } = await probeGpus(machine)
  const [first] = gpus
  if (!first) return null
  const { name } = first
  return { name, count: gpus.filter((gpu) => gpu.name === name).length, match: findGpu(name, catalogue) }
}

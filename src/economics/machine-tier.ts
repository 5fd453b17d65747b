import type { Gpu } from './gpu-data.ts'
import type { Tier } from './network-data.ts'

const LARGE_VRAM_GB = 24
const MULTI_GPU_COUNT = 4
const olderArchitectures = ['Pascal', 'Volta', 'Turing', 'Ampere', 'RDNA 2']
const latestArchitectures = ['Blackwell', 'Blackwell Ultra', 'CDNA 4', 'RDNA 4']

/** The classes of hardware that people ask about; a machine may be of several, or of none. */
export function tiersOf(gpu: Gpu, gpuCount: number): Tier[] {
  const isOwners = gpu.segment === 'consumer' || gpu.segment === 'workstation'
  const isOld = olderArchitectures.includes(gpu.architecture)
  const tiers: readonly (readonly [Tier, boolean])[] = [
    ['datacenter', gpu.segment === 'datacenter'],
    ['multi-gpu', gpuCount >= MULTI_GPU_COUNT],
    ['consumer-24gb', isOwners && gpu.vram_gb >= LARGE_VRAM_GB],
    ['mid-range', isOwners && gpu.vram_gb < LARGE_VRAM_GB && !isOld],
    ['older', isOwners && gpu.vram_gb < LARGE_VRAM_GB && isOld],
    ['latest', latestArchitectures.includes(gpu.architecture)],
  ]
  return tiers.flatMap(([tier, isOf]) => (isOf ? [tier] : []))
}

export const tierNames: Readonly<Record<Tier, string>> = {
  datacenter: 'data-centre GPUs',
  'multi-gpu': 'machines with several GPUs',
  'consumer-24gb': 'high-end consumer GPUs (24 GB and more)',
  'mid-range': 'mid-range GPUs',
  older: 'older GPUs (RTX 30 and before)',
  latest: 'the latest GPUs',
}

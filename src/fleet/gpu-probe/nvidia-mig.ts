import type { MigDevice } from '#protocol/capability.ts'
import { clip, type ToolResult } from './gpu-probe.ts'

const DEVICES_MAX = 64

/** The partitions that `nvidia-smi -L` lists, by the UUID of their GPU. */
export function readMigList(result: ToolResult): ReadonlyMap<string, readonly MigDevice[]> {
  const byGpu = new Map<string, MigDevice[]>()
  if (typeof result === 'string') return byGpu
  let devices: MigDevice[] = []
  for (const line of result.stdout.split('\n')) {
    const gpu = /^GPU \d+:.*\(UUID: ([^)]+)\)/.exec(line)?.[1]
    if (gpu !== undefined) {
      devices = []
      byGpu.set(gpu, devices)
    }
    // Drivers before 470 write `MIG-GPU-<uuid>/<instance>/<compute instance>`.
    const [, profile, index, uuid] = /^\s+MIG\s+(\S+)\s+Device\s+(\d+): \(UUID: ([^)]+)\)/.exec(line) ?? []
    if (profile === undefined || index === undefined || uuid === undefined || devices.length >= DEVICES_MAX)
      continue
    devices.push({ index: Number(index), profile: clip(profile), uuid: clip(uuid) })
  }
  return byGpu
}

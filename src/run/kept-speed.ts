/** How fast this node renders, measured once for each Blender and way of using it, and kept in its folder. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { CALIBRATION, type Calibration, measureSpeed } from '#engines/blender/measure-speed.ts'
import type { Machine } from '#host/machine.ts'
import { writeFileDurablySync } from '#host/node/durable-file.ts'
import { nodeTaskFiles } from '#host/node/node-task-files.ts'

const Kept = z.object({ of: z.string(), speed: z.number().positive() })

export interface SpeedOf {
  readonly version: string
  readonly threads: number | null
  readonly device: string
}

/** Rejects as `measureSpeed`. */
export async function keptSpeed(
  { version, threads, device }: SpeedOf,
  calibration: Pick<Calibration, 'program' | 'engine'>,
  { machine, folder }: { readonly machine: Machine; readonly folder: string },
): Promise<number> {
  const file = join(folder, 'speed.json')
  const { cpuModel, cores } = machine.facts()
  const of = JSON.stringify({ calibration: CALIBRATION, version, threads, device, cpuModel, cores })
  const kept = readKept(file)
  if (kept?.of === of) return kept.speed
  const cpuThreads = device === 'CPU' ? Math.min(threads ?? cores, cores) : null
  const places = { ...calibration, device, cpuThreads, folder: join(folder, 'calibration') }
  const measured = await measureSpeed(places, { machine, files: nodeTaskFiles })
  const speed = Math.round(measured * 1e4) / 1e4 || 1e-4
  writeFileDurablySync(file, `${JSON.stringify({ of, speed })}\n`, 0o600)
  return speed
}

function readKept(file: string): z.output<typeof Kept> | null {
  try {
    return Kept.parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch {
    return null // It is measured anew.
  }
}

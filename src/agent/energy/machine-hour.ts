import type { EnergyQuality, HourRecord, LoadFit } from '#host/energy-store.ts'
import { HOUR_MS } from '#kernel/time.ts'

/** The energy of the whole machine in one hour, and how much of the hour it is. */
export interface MachineHour {
  readonly joules: number
  readonly coveredMs: number
  readonly interpolatedMs: number
  /** Time of which nothing is known: the meters were silent, or the agent was not there. */
  readonly missingMs: number
  /** `mixed`: the plug told a part of the hour, and the parts the rest; `null` without any energy. */
  readonly basis: LoadFit['basis'] | 'mixed' | null
}

/** A plug's time and the parts' time outside it: the GPUs and the CPU cover the same time, so the longer of them counts. */
export function machineHour({ energy }: Pick<HourRecord, 'energy'>): MachineHour {
  const counted = energy.filter((sum) => !sum.isDetail)
  const coveredBy = (source: string, quality?: EnergyQuality): number =>
    counted
      .filter((sum) => sum.source === source && (quality === undefined || sum.quality === quality))
      .reduce((total, sum) => total + sum.coveredMs, 0)
  const partsMs = Math.max(coveredBy('gpu'), coveredBy('cpu'))
  const plugMs = coveredBy('plug')
  const coveredMs = plugMs + partsMs
  const isMixed = plugMs > 0 && partsMs > 0
  return {
    joules: counted.reduce((total, sum) => total + sum.joules, 0),
    coveredMs,
    interpolatedMs:
      coveredBy('plug', 'interpolated') +
      Math.max(coveredBy('gpu', 'interpolated'), coveredBy('cpu', 'interpolated')),
    missingMs: Math.max(0, HOUR_MS - coveredMs),
    basis: isMixed ? 'mixed' : plugMs > 0 ? 'plug' : partsMs > 0 ? 'parts' : null,
  }
}

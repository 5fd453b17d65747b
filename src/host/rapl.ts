/** The energy counters of CPU packages that Linux shows under /sys/class/powercap, for Intel and AMD alike. */
import type { Machine } from './machine.ts'

export const POWERCAP_FOLDER = '/sys/class/powercap'

export interface EnergyCounter {
  /** Microjoules since some start. */
  readonly energyUj: number
  /** The counter starts again from 0 after this. */
  readonly rangeUj: number
}

/** Only whole packages: `intel-rapl:0:0` is a part of `intel-rapl:0`, and counting both would count it twice. */
export const isPackage = (zone: string): boolean => /^(intel|amd)-rapl:\d+$/.test(zone)

/** Above any package that is sold: a difference that asks for more is a counter that was set back, not a wrap. */
const PACKAGE_WATTS_MAX = 1_000

/**
 * Joules between two readings of the same counters, a wrap of each allowed for; `null` when that cannot be told: no
 * counter in both, one that was set back, or so long between them that one may have wrapped twice.
 */
export function joulesBetween(
  before: ReadonlyMap<string, EnergyCounter>,
  after: ReadonlyMap<string, EnergyCounter>,
  elapsedMs: number,
): number | null {
  let totalUj = 0
  let packages = 0
  const packageUjMax = PACKAGE_WATTS_MAX * elapsedMs * 1_000
  for (const [zone, { energyUj, rangeUj }] of after) {
    const earlier = before.get(zone)
    if (!earlier) continue
    packages += 1
    const differenceUj = energyUj - earlier.energyUj
    const usedUj = differenceUj >= 0 ? differenceUj : differenceUj + rangeUj
    if (!(usedUj <= packageUjMax) || packageUjMax > rangeUj) return null
    totalUj += usedUj
  }
  return packages === 0 || elapsedMs <= 0 ? null : totalUj / 1e6
}

/** Mean power between two readings of the same counters, in watts; `null` when there is nothing to tell it from. */
export function meanWatts(
  before: ReadonlyMap<string, EnergyCounter>,
  after: ReadonlyMap<string, EnergyCounter>,
  elapsedMs: number,
): number | null {
  const joules = joulesBetween(before, after, elapsedMs)
  return joules === null ? null : Math.round((joules / elapsedMs) * 1e5) / 100
}

/** The counters by zone. Root alone may read them on most systems: what cannot be read is left out. */
export function readCounters(
  machine: Pick<Machine, 'readFile' | 'listFolder'>,
  folder = POWERCAP_FOLDER,
): Map<string, EnergyCounter> {
  const counters = new Map<string, EnergyCounter>()
  for (const zone of machine.listFolder(folder).filter(isPackage)) {
    const energy = machine.readFile(`${folder}/${zone}/energy_uj`)
    const range = machine.readFile(`${folder}/${zone}/max_energy_range_uj`)
    if (energy !== null && range !== null)
      counters.set(zone, { energyUj: Number(energy), rangeUj: Number(range) })
  }
  return counters
}

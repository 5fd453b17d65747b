/** The energy counters of CPU packages that Linux shows under /sys/class/powercap, for Intel and AMD alike. */

export interface EnergyCounter {
  /** Microjoules since some start. */
  readonly energyUj: number
  /** The counter starts again from 0 after this. */
  readonly rangeUj: number
}

/** Only whole packages: `intel-rapl:0:0` is a part of `intel-rapl:0`, and counting both would count it twice. */
export const isPackage = (zone: string): boolean => /^(intel|amd)-rapl:\d+$/.test(zone)

/** Mean power between two readings of the same counters, in watts; `null` when there is nothing to tell it from. */
export function meanWatts(
  before: ReadonlyMap<string, EnergyCounter>,
  after: ReadonlyMap<string, EnergyCounter>,
  elapsedMs: number,
): number | null {
  let totalUj = 0
  let packages = 0
  for (const [zone, { energyUj, rangeUj }] of after) {
    const earlier = before.get(zone)
    if (!earlier) continue
    packages += 1
    const differenceUj = energyUj - earlier.energyUj
    totalUj += differenceUj >= 0 ? differenceUj : differenceUj + rangeUj
  }
  if (packages === 0 || elapsedMs <= 0) return null
  return Math.round(totalUj / elapsedMs / 10) / 100
}

/**
 * What is assumed where nobody said and nothing is known. Each is reported with its source and date whenever it is
 * used, and each can be overridden.
 */
import type { Gpu } from './gpu-data.ts'

export interface Assumption {
  readonly value: number
  readonly source: string
  /** ISO date on which it was looked at last. */
  readonly asOf: string
}

const AS_OF = '2026-11-22'
const assume = (value: number, source: string, asOf = AS_OF): Assumption => ({ value, source, asOf })

export const assumptions = {
  gpuCount: assume(1, 'one GPU, unless you say otherwise'),
  utilisation: assume(0.5, 'assumption: no network publishes how many hours of a model are rented'),
  availability: assume(0.97, 'assumption: a home machine; 0.90 is what Vast.ai asks for verification'),
  takeShare: assume(
    0.25,
    'Vast.ai, inferred from floor prices that become whole cents at 75 %',
    '2026-08-22',
  ),
  payoutFeeShare: assume(0.01, 'assumption: transfer or exchange to your bank'),
  fxHaircutShare: assume(0, 'paid in dollars, or the loss is said by the forecast'),
  gasPerDay: assume(0, 'no transactions of your own'),
  extraPerGpuDay: assume(0, 'no income from storage or bandwidth'),
  offWatts: assume(0, 'a parked machine is switched off'),
  pue: assume(1, 'assumption: a room that needs no air conditioning'),
  fixedPerDay: assume(0.25, 'assumption: the share of internet and insurance that falls to the machine'),
  maintenancePerDay: assume(0, 'repairs are in the forecast: 5 % a year, 60 USD and 15 days'),
  lifeYears: assume(3, 'assumption'),
  resaleShare: assume(
    0.4,
    'assumption: 40 % of the price after 3 years; prices of used cards moved by 25-40 % in a quarter of 2026',
  ),
  discountPerYear: assume(0.1, 'assumption: what the money could earn elsewhere at like risk'),
  taxShare: assume(0, 'before tax: tell your own rate'),
  months: assume(12, 'a year'),
  tdpShareUnderLoad: assume(
    0.82,
    'assumption: a working GPU draws 82 % of its rated power, give or take 8 points',
  ),
  idleGpuWatts: assume(20, 'assumption: an idle GPU of this kind, nothing loaded'),
  idleHbmGpuWatts: assume(60, 'assumption: an idle accelerator with HBM, nothing loaded'),
  hostLoadWatts: assume(100, 'assumption: processor, memory, fans and disks while the GPU works'),
  hostIdleWatts: assume(60, 'assumption: processor, memory, fans and disks while it waits'),
  psuEfficiency: assume(0.9, 'assumption: of each watt at the wall 0.9 reach the parts'),
} as const satisfies Record<string, Assumption>

/** Accelerators with stacked memory draw far more when idle. Told by bandwidth, which the others of their segment lack. */
export const hasStackedMemory = (gpu: Gpu): boolean =>
  gpu.segment === 'datacenter' &&
  !/\b(RTX|L4|L40|L40S)\b/.test(gpu.name) &&
  (gpu.mem_bandwidth_gbs === null || gpu.mem_bandwidth_gbs >= 700)

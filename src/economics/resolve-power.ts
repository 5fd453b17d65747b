/** What the machine draws at the wall: as measured, as rated, or put together from its parts. */
import { assumptions, hasStackedMemory } from './assumptions.ts'
import { assumed, type Collector } from './collect-inputs.ts'
import type { Gpu } from './gpu-data.ts'
import type { Measured, RoiInput } from './roi-input.ts'
import type { Terms } from './terms.ts'

export interface MachinePower {
  readonly watts: Pick<Terms, 'loadWatts' | 'idleWatts' | 'offWatts'>
  /** How much of the power under load moves with the draw of the GPUs, at their rated power; 0 where it was measured. */
  readonly ratedGpuWatts: number
}

interface Machine {
  readonly gpu: Gpu
  readonly gpuCount: number
  readonly input: RoiInput
  readonly measured: Measured | null
}

const { psuEfficiency, tdpShareUnderLoad } = assumptions

export function resolvePower(collector: Collector, machine: Machine): MachinePower | null {
  const load = resolveLoad(collector, machine)
  const idleWatts = resolveIdle(collector, machine)
  const offWatts = collector.take('offWatts', {
    given: machine.input.offWatts,
    assumed: assumptions.offWatts,
  })
  if (load === null || idleWatts === null || offWatts === null) return null
  const { problems } = collector
  if (idleWatts > load.loadWatts) {
    const message = `It cannot draw ${round(idleWatts)} W when idle and ${round(load.loadWatts)} W at work: measure both at the wall.`
    problems.push({ name: 'idleWatts', message })
  }
  if (offWatts > idleWatts) {
    const message = `It cannot draw ${round(offWatts)} W when parked and ${round(idleWatts)} W when idle.`
    problems.push({ name: 'offWatts', message })
  }
  const { loadWatts, ratedGpuWatts } = load
  return problems.length > 0 ? null : { watts: { loadWatts, idleWatts, offWatts }, ratedGpuWatts }
}

function resolveLoad(
  collector: Collector,
  machine: Machine,
): { loadWatts: number; ratedGpuWatts: number } | null {
  const { gpu, gpuCount, input, measured } = machine
  if (input.loadWatts === undefined && input.loadWattsMax !== undefined) {
    const most = collector.take('loadWattsMax', { given: input.loadWattsMax })
    if (most === null) return null
    const value = most * tdpShareUnderLoad.value
    const source = `82 % of the highest power that you gave (${tdpShareUnderLoad.source})`
    collector.note('loadWatts', { value, origin: 'derived', source, asOf: tdpShareUnderLoad.asOf })
    return { loadWatts: value, ratedGpuWatts: most }
  }
  const parts =
    (gpuCount * gpu.tdp_w * tdpShareUnderLoad.value + assumptions.hostLoadWatts.value) / psuEfficiency.value
  const isMeasured = input.loadWatts !== undefined || measured?.loadWatts !== undefined
  const source = `${gpuCount} × 82 % of ${gpu.tdp_w} W rated, 100 W for the host, power supply of 90 % (${tdpShareUnderLoad.source})`
  const loadWatts = collector.take(
    'loadWatts',
    {
      given: input.loadWatts,
      measured: measured?.loadWatts,
      found: hasKnownHost(gpu)
        ? { ...assumed({ value: parts, source, asOf: tdpShareUnderLoad.asOf }) }
        : null,
    },
    {
      blocks: 'everything',
      why: `What a whole machine with ${gpu.name} draws is not known: measure it at the wall.`,
    },
  )
  if (loadWatts === null) return null
  return { loadWatts, ratedGpuWatts: isMeasured ? 0 : (gpuCount * gpu.tdp_w) / psuEfficiency.value }
}

function resolveIdle(collector: Collector, { gpu, gpuCount, input, measured }: Machine): number | null {
  const kind = hasStackedMemory(gpu) ? assumptions.idleHbmGpuWatts : assumptions.idleGpuWatts
  const ofGpu = gpu.idle_w ?? kind.value
  const ofGpuSource = gpu.idle_w === null ? kind.source : `measured by others: ${gpu.idle_note ?? ''}`
  const value = (gpuCount * ofGpu + assumptions.hostIdleWatts.value) / psuEfficiency.value
  const source = `${gpuCount} × ${ofGpu} W, 60 W for the host, power supply of 90 % (${ofGpuSource})`
  return collector.take(
    'idleWatts',
    {
      given: input.idleWatts,
      measured: measured?.idleWatts,
      found: hasKnownHost(gpu) ? assumed({ value, source, asOf: kind.asOf }) : null,
    },
    {
      blocks: 'everything',
      why: `What a whole machine with ${gpu.name} draws when idle is not known: measure it at the wall.`,
    },
  )
}

/** The assumed host is a desktop computer; a machine whose GPU is part of its one chip is none. */
const hasKnownHost = (gpu: Gpu): boolean => gpu.segment !== 'apple'

const round = (watts: number): number => Math.round(watts)

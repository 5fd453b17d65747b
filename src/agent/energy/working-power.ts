/** Which watts the node reckons with: what its owner says, else what it measured, else what is assumed of such a machine. */
import { assumptions } from '#economics/assumptions.ts'
import type { Gpu } from '#protocol/capability.ts'
import type { OwnFigures } from './own-figures.ts'

export interface Watts {
  readonly loadWatts: number
  readonly idleWatts: number
}

export interface WorkingPower {
  /** What an hour of sold work draws beyond an idle hour, in kWh per GPU-hour. */
  readonly extraKwhPerGpuHour: number
  readonly source: 'given' | 'measured' | 'assumed'
  /** For people: where the figure comes from. */
  readonly because: string
}

export interface PowerKnowledge {
  readonly given: Watts | null
  readonly figures: OwnFigures
  /** Hours of its own record after which the node believes it. */
  readonly hoursMin: number
  readonly assumed: Watts | null
  /** GPUs whose time is sold; a machine without one sells its processor. */
  readonly gpuCount: number
}

/** `null` when nothing is given, measured or assumed. */
export function workingPower(knowledge: PowerKnowledge): WorkingPower | null {
  const { given, figures, hoursMin, assumed, gpuCount } = knowledge
  const perGpuHour = ({ loadWatts, idleWatts }: Watts): number =>
    Math.max(0, loadWatts - idleWatts) / 1_000 / Math.max(1, gpuCount)
  const describe = ({ loadWatts, idleWatts }: Watts): string =>
    `${Math.round(loadWatts)} W at load, ${Math.round(idleWatts)} W idle`
  if (given) {
    const because = `${describe(given)}, as given`
    return { extraKwhPerGpuHour: perGpuHour(given), source: 'given', because }
  }
  const [load, idle] = [figures.loadWatts, figures.idleWatts]
  if (load.value !== null && idle.value !== null && load.hours + idle.hours >= hoursMin) {
    const measured = { loadWatts: load.value, idleWatts: idle.value }
    const hours = Math.floor(load.hours + idle.hours)
    const where = figures.basis === 'plug' ? 'at the plug' : 'at its parts, so a lower bound,'
    const sold = figures.extraKwhPerGpuHour.value
    return {
      // Of the work as it was sold: requests that leave slots empty draw more for what they pay.
      extraKwhPerGpuHour: sold ?? perGpuHour(measured),
      source: 'measured',
      because: `${describe(measured)}, measured here ${where} over ${hours} h`,
    }
  }
  if (!assumed) return null
  const because = `${describe(assumed)}, assumed from the cards' power limits until ${hoursMin} h are measured`
  return { extraKwhPerGpuHour: perGpuHour(assumed), source: 'assumed', because }
}

/** Cards with stacked memory idle at three times what others do. */
const STACKED_MEMORY = /\b(?:[PV]100|A100|A30|H[12]00|GH200|B[123]00|GB[23]00|MI\d+)/i
const { hostLoadWatts, hostIdleWatts, idleGpuWatts, idleHbmGpuWatts, tdpShareUnderLoad, psuEfficiency } =
  assumptions

type Cards = readonly Pick<Gpu, 'name' | 'powerLimitWatts'>[]

/** What a machine with such cards draws at the wall when nothing is measured; `null` where a card hides its power limit. */
export const assumedWatts = (gpus: Cards): Watts | null => (gpus.length === 0 ? null : withCards(gpus))

/** The same of tasks: those that run on the processor leave the cards idle, and draw what the rest of the machine does. */
export const assumedTaskWatts = (gpus: Cards, device: string): Watts | null =>
  device === 'CPU' ? withCards([]) : assumedWatts(gpus)

function withCards(gpus: Cards): Watts | null {
  let [load, idle] = [hostLoadWatts.value, hostIdleWatts.value]
  for (const { name, powerLimitWatts } of gpus) {
    if (powerLimitWatts === null) return null
    load += tdpShareUnderLoad.value * powerLimitWatts
    idle += (STACKED_MEMORY.test(name) ? idleHbmGpuWatts : idleGpuWatts).value
  }
  return { loadWatts: load / psuEfficiency.value, idleWatts: idle / psuEfficiency.value }
}

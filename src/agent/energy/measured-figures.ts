/** Which of a node's own figures may take the place of an assumption, and what each rests on. Pure. */
import type { OwnFigure } from '#economics/own-history.ts'
import type { Measured, MeasuredName } from '#economics/roi-input.ts'
import { DAY_MS, HOUR_MS } from '#kernel/time.ts'
import type { Figure, OwnFigures } from './own-figures.ts'

interface Believing {
  /** Hours of the node's own record that a figure has to rest on. */
  readonly hoursMin: number
  readonly gpuCount: number
}

/** All figures that a forecast could use, used or not. */
export function measuredFigures(figures: OwnFigures, { hoursMin, gpuCount }: Believing): OwnFigure[] {
  const { idleWatts, loadWatts, usdPerBusyHour, calendarHours, sinceMs } = figures
  const since = sinceMs === null ? '' : ` since ${new Date(sinceMs).toISOString().slice(0, 10)}`
  const figure = (
    name: MeasuredName,
    value: number | null,
    hours: number,
    { rests, missing }: { rests: string; missing: string },
  ): OwnFigure => {
    const isEnough = value !== null && hours >= hoursMin
    const basis = isEnough
      ? `${rests}${since}`
      : value === null
        ? missing
        : `${hoursText(hours)} of ${hoursText(hoursMin)} on record`
    return { name, value, isUsed: isEnough, basis }
  }
  const ofRecord = { rests: `${hoursText(calendarHours)} on record`, missing: 'nothing on record yet' }
  const price = usdPerBusyHour.value === null ? null : usdPerBusyHour.value / gpuCount
  return [
    ...wattFigures(figures, figure, { idleWatts, loadWatts }),
    figure('utilisation', figures.utilisation.value, figures.utilisation.hours, ofRecord),
    figure('availability', availabilityOf(figures), figures.availability.hours, ofRecord),
    // Per hour at work, as the utilisation is counted; the slots that stay empty meanwhile are paid by nobody.
    figure('pricePerGpuHour', price, calendarHours, {
      rests: `${hoursText(usdPerBusyHour.hours)} at work`,
      missing: 'less than an hour of work was sold yet',
    }),
    figure('takeShare', figures.feeShare.value, calendarHours, {
      rests: `what the network kept, ${hoursText(calendarHours)}`,
      missing: 'nothing was sold yet',
    }),
    figure('electricityPerKwh', figures.usdPerKwh.value, figures.usdPerKwh.hours, {
      rests: `mean over ${hoursText(figures.usdPerKwh.hours)} at a known price`,
      missing: 'no price of electricity is on record (start the node with --kwh or --tariff)',
    }),
  ]
}

type MakeFigure = (
  name: MeasuredName,
  value: number | null,
  hours: number,
  texts: { rests: string; missing: string },
) => OwnFigure

/** Only as a plug measures them: the parts leave out the rest of the machine. */
function wattFigures(
  { basis }: OwnFigures,
  figure: MakeFigure,
  { idleWatts, loadWatts }: Pick<OwnFigures, 'idleWatts' | 'loadWatts'>,
): OwnFigure[] {
  const of = (name: 'loadWatts' | 'idleWatts', { value, hours }: Figure, when: string): OwnFigure => {
    if (basis === 'parts') {
      const why = 'only the GPUs and the CPU measure themselves, a lower bound: a --plug tells the whole'
      return { name, value, isUsed: false, basis: why }
    }
    const missing = `never seen ${when} for long enough yet`
    const total = idleWatts.hours + loadWatts.hours
    return figure(name, value, total, { rests: `${hoursText(hours)} ${when}, at the plug`, missing })
  }
  return [of('loadWatts', loadWatts, 'at work'), of('idleWatts', idleWatts, 'without work')]
}

/** Work that runs on while the card parks is rented time too. */
const availabilityOf = ({ availability, utilisation }: OwnFigures): number | null =>
  availability.value === null ? null : Math.min(1, Math.max(availability.value, utilisation.value ?? 0))

const hoursText = (hours: number): string =>
  hours >= 48
    ? `${(hours / 24).toFixed(1)} days`
    : hours < 1
      ? `${Math.floor(hours * 60)} min`
      : `${hours.toFixed(hours < 10 ? 1 : 0)} h`

/**
 * What a forecast may use of the figures, in place of its assumptions: those that rest on `hoursMin` hours at least.
 * `null` when none does. `gpuCount` (1 unless said) shares the price of an hour at work out among the GPUs.
 */
export function measuredOf(
  figures: OwnFigures,
  { hoursMin, nowMs, gpuCount = 1 }: { hoursMin: number; nowMs: number; gpuCount?: number },
): Measured | null {
  const found = measuredFigures(figures, { hoursMin, gpuCount }).filter(({ isUsed }) => isUsed)
  if (found.length === 0) return null
  const asOf = new Date(nowMs).toISOString().slice(0, 10)
  const days = Math.floor((figures.calendarHours * HOUR_MS) / DAY_MS)
  return {
    ...Object.fromEntries(found.map(({ name, value }) => [name, value])),
    source: `this node, ${days} ${days === 1 ? 'day' : 'days'} to ${asOf}`,
    sources: Object.fromEntries(found.map(({ name, basis }) => [name, `this node: ${basis}`])),
    asOf,
  }
}

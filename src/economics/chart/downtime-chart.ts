import type { DownBand } from '../fleet/fleet-outlook.ts'
import { shareTick } from './share-tick.ts'
import { chart, element, type Size, text } from './svg.ts'

const ROW_HEIGHT = 24
const LEFT = 150
const RIGHT = 340
const WIDTH = 420

/** Months by how long services were down in them: one bar for each band, in the other colour where `target` was missed. */
export function downtimeChart(bands: readonly DownBand[], target: number, label: string): string {
  const size: Size = { width: WIDTH, height: bands.length * ROW_HEIGHT + 8 }
  const most = Math.max(...bands.map(({ share }) => share), 1e-9)
  const rows = bands.map((band, index) => {
    const y = index * ROW_HEIGHT + 4
    const width = band.share === 0 ? 0 : Math.max(1, (band.share / most) * (RIGHT - LEFT))
    const isKept = band.availability !== null && band.availability >= target
    return [
      text(bandName(band), { x: LEFT - 8, y: y + 15, 'text-anchor': 'end', class: 'soft' }),
      element('rect', { x: LEFT, y: y + 3, width, height: ROW_HEIGHT - 8, class: isKept ? 'good' : 'bad' }),
      text(bandShare(band.share), { x: LEFT + width + 6, y: y + 15 }),
    ].join('')
  })
  const [never] = bands
  return chart(size, `${label}: ${bandShare(never?.share ?? 0)} of the months without any outage.`, ...rows)
}

/** `not at all`, `up to 44 min (99.9 %)`, `longer`. */
export function bandName({ minutesMax, availability }: DownBand): string {
  if (minutesMax === null || availability === null) return 'longer'
  if (minutesMax === 0) return 'not at all'
  const long =
    minutesMax < 90
      ? `${Number(minutesMax.toPrecision(2))} min`
      : `${Number((minutesMax / 60).toPrecision(2))} h`
  return `up to ${long} (${shareTick(availability)})`
}

/** A share that is not nothing is never written as nothing. */
export function bandShare(share: number): string {
  if (share === 0) return '–'
  const percent = share * 100
  return percent < 0.01 ? '< 0.01 %' : `${Number(percent.toFixed(percent > 99 ? 3 : 2))} %`
}

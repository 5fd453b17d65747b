/**
 * Whether a part of a delivered frame is what the scene gives, by the same part rendered elsewhere. Never by hashes:
 * the same program with two threads, or on another processor, rounds differently (up to 79 % of pixels differ in bits),
 * while a frame with one sample in 32 left out is off by more than 1 % in a quarter of its pixels.
 */
import type { Picture } from '#images/picture.ts'

export interface Tolerance {
  /** A pixel is off when a channel differs by more than this share of its value. */
  readonly relativeError: number
  /** A crop is off when more than this share of its pixels are. */
  readonly offShareMax: number
}

/** Crops of 15 x 15 pixels, renderers of one build. From measurements: see `npm run bench -- render-fraud`. */
export const TOLERANCE: Tolerance = { relativeError: 0.01, offShareMax: 0.02 }

/** In linear light: what is darker than this is compared as if it were as bright. */
const DARK = 1e-3
/** Steps of 8 bits are coarser than honest differences, so that any step counts. */
const COARSE_STEP = 1e-3
/** What 1 % of light comes to where values are those of a screen, about its 2.2nd root. */
const SCREEN_SHARE = 0.45

export interface CropComparison {
  readonly pixels: number
  readonly offPixels: number
  /** The largest difference of a channel, as a share of the larger value; `Infinity` where only one is a number. */
  readonly worstRelative: number
  readonly isOff: boolean
}

/** `delivered` is the part that was cut from the frame; both must be in one file format. */
export function compareCrops(
  delivered: Picture,
  reference: Picture,
  tolerance: Tolerance = TOLERANCE,
): CropComparison {
  const { width, height, channels } = reference
  const pixels = width * height
  if (delivered.width !== width || delivered.height !== height || delivered.channels !== channels)
    return { pixels, offPixels: pixels, worstRelative: Number.POSITIVE_INFINITY, isOff: true }
  let [offPixels, worstRelative] = [0, 0]
  for (let pixel = 0; pixel < pixels; pixel += 1) {
    let isOff = false
    for (let channel = 0; channel < channels; channel += 1) {
      const at = pixel * channels + channel
      const [a, b] = [delivered.values[at] ?? 0, reference.values[at] ?? 0]
      const difference = differenceOf(a, b)
      if (difference === 0) continue
      const most = Math.max(Math.abs(a), Math.abs(b))
      worstRelative = Math.max(worstRelative, difference / Math.max(most, DARK))
      isOff ||= difference > allowed(most, reference.step, tolerance)
    }
    if (isOff) offPixels += 1
  }
  return { pixels, offPixels, worstRelative, isOff: offPixels > tolerance.offShareMax * pixels }
}

/** Infinite between a number and what is none; 0 between two that are none, for a scene may have such pixels. */
function differenceOf(a: number, b: number): number {
  if (Number.isFinite(a) && Number.isFinite(b)) return Math.abs(a - b)
  return Object.is(a, b) ? 0 : Number.POSITIVE_INFINITY
}

function allowed(most: number, step: number, { relativeError }: Tolerance): number {
  if (step === 0) return relativeError * Math.max(most, DARK)
  if (step > COARSE_STEP) return step / 2
  return Math.max(step, relativeError * SCREEN_SHARE * most)
}

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
  /** In 8 bits: and when more than this share of them, flat areas apart, are a step off. */
  readonly slightShareMax: number
}

/** Crops of 15 x 15 pixels, renderers of one build. From measurements: see `npm run bench -- render-fraud`. */
export const TOLERANCE: Tolerance = { relativeError: 0.01, offShareMax: 0.02, slightShareMax: 0.25 }

/** In linear light: what is darker than this is compared as if it were as bright. */
const DARK = 1e-3
/**
 * Steps of 8 bits are as coarse as honest differences: with other instructions 7 % of the pixels of a noisy scene fall to
 * the other side of one. So a step alone is little, and counts only where many pixels are one off. A flat area may be so as a
 * whole: a sky that lies on the border of two steps falls to one side here and to the other there.
 */
const COARSE_STEP = 1e-3
/** What 1 % of light comes to where values are those of a screen, about its 2.2nd root. */
const SCREEN_SHARE = 0.45

export interface CropComparison {
  readonly pixels: number
  readonly offPixels: number
  /** In 8 bits: those that are a step off and not in a flat area. */
  readonly slightPixels: number
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
    return {
      pixels,
      offPixels: pixels,
      slightPixels: 0,
      worstRelative: Number.POSITIVE_INFINITY,
      isOff: true,
    }
  let [offPixels, slightPixels, worstRelative] = [0, 0, 0]
  for (let pixel = 0; pixel < pixels; pixel += 1) {
    let [isOff, isSlight] = [false, false]
    for (let channel = 0; channel < channels; channel += 1) {
      const at = pixel * channels + channel
      const [a, b] = [delivered.values[at] ?? 0, reference.values[at] ?? 0]
      const difference = differenceOf(a, b)
      if (difference === 0) continue
      const most = Math.max(Math.abs(a), Math.abs(b))
      const relative = difference / Math.max(most, DARK)
      worstRelative = Math.max(worstRelative, Number.isNaN(relative) ? Number.POSITIVE_INFINITY : relative)
      isOff ||=
        difference === Number.POSITIVE_INFINITY || difference > allowed(most, reference.step, tolerance)
      isSlight = true
    }
    if (isOff) offPixels += 1
    if (isSlight && reference.step > COARSE_STEP && !isFlat(reference, pixel)) slightPixels += 1
  }
  const isOff = offPixels > tolerance.offShareMax * pixels || slightPixels > tolerance.slightShareMax * pixels
  return { pixels, offPixels, slightPixels, worstRelative, isOff }
}

/** Infinite between a number and what is none; 0 between two that are none, for a scene may have such pixels. */
function differenceOf(a: number, b: number): number {
  if (Number.isFinite(a) && Number.isFinite(b)) return Math.abs(a - b)
  return Object.is(a, b) ? 0 : Number.POSITIVE_INFINITY
}

function allowed(most: number, step: number, { relativeError }: Tolerance): number {
  if (step === 0) return relativeError * Math.max(most, DARK)
  if (step > COARSE_STEP) return 1.5 * step
  return Math.max(step, relativeError * SCREEN_SHARE * most)
}

/** Whether the pixels beside it are at most a step away from it. */
function isFlat({ width, height, channels, values, step }: Picture, pixel: number): boolean {
  const [x, y] = [pixel % width, Math.floor(pixel / width)]
  const beside = [
    ...(x > 0 ? [pixel - 1] : []),
    ...(x + 1 < width ? [pixel + 1] : []),
    ...(y > 0 ? [pixel - width] : []),
    ...(y + 1 < height ? [pixel + width] : []),
  ]
  for (const other of beside) {
    for (let channel = 0; channel < channels; channel += 1) {
      const [a, b] = [values[pixel * channels + channel] ?? 0, values[other * channels + channel] ?? 0]
      if (Math.abs(a - b) > 1.5 * step) return false
    }
  }
  return true
}

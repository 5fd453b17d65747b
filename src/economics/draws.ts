/** Numbers by the distributions that studies of real fleets and loads fit. Each call draws anew from `random`. */

import { assert } from '#kernel/assert.ts'
import type { Random } from '#kernel/random.ts'
import { createNormals, uniform } from './normal.ts'

export type Draw = (random: Random) => number

export const exponential =
  (mean: number): Draw =>
  (random) =>
    -mean * Math.log(uniform(random))

export const weibull =
  ({ shape, scale }: { shape: number; scale: number }): Draw =>
  (random) =>
    scale * (-Math.log(uniform(random))) ** (1 / shape)

/** By its median and the standard deviation of its logarithm. */
export const logNormal =
  ({ median, sigma }: { median: number; sigma: number }): Draw =>
  (random) =>
    median * Math.exp(sigma * createNormals(random)())

/** Of a shape below 1: Ahrens and Dieter's rejection. */
export const gammaBelowOne =
  ({ shape, scale }: { shape: number; scale: number }): Draw =>
  (random) => {
    assert(shape > 0 && shape < 1, 'the method is for shapes below 1')
    const split = 1 + shape / Math.E
    for (;;) {
      const p = split * uniform(random)
      const x = p <= 1 ? p ** (1 / shape) : -Math.log((split - p) / shape)
      const limit = p <= 1 ? Math.exp(-x) : x ** (shape - 1)
      if (uniform(random) <= limit) return scale * x
    }
  }

/** One of several exponentials, each with its weight; the weights add up to 1. */
export const hyperExponential =
  (branches: readonly { readonly weight: number; readonly mean: number }[]): Draw =>
  (random) => {
    let left = uniform(random)
    for (const { weight, mean } of branches) {
      if (left < weight) return exponential(mean)(random)
      left -= weight
    }
    return exponential(branches.at(-1)?.mean ?? 0)(random)
  }

/** How many of many rare things happen where `mean` are expected. */
export function poisson(mean: number, random: Random): number {
  // A long one as a sum of short ones, so that the product below stays far from the smallest number.
  if (mean > 30) return poisson(mean / 2, random) + poisson(mean / 2, random)
  const limit = Math.exp(-mean)
  let count = 0
  for (let product = uniform(random); product > limit; product *= uniform(random)) count++
  return count
}

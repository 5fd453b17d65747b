/**
 * Bounds of a rate that was only seen a few times: quantiles of the Beta distribution, by the continued fraction of the
 * incomplete beta function (Numerical Recipes, §6.4) and bisection.
 */

/** The value that a rate exceeds with 95 % certainty, after `good` successes and `bad` failures: 0.05 when nothing was seen. */
export const lowerBound = (good: number, bad: number): number => betaQuantile(0.05, 1 + good, 1 + bad)

/** The value that a rate stays below with 95 % certainty. */
export const upperBound = (good: number, bad: number): number => betaQuantile(0.95, 1 + good, 1 + bad)

const STEPS = 40

/** The `p`-quantile of Beta(a, b), to 1e-12. `a`, `b` >= 1. */
export function betaQuantile(p: number, a: number, b: number): number {
  // Most nodes have failed nothing, and all are asked for again and again: these have a closed form.
  if (b === 1) return p ** (1 / a)
  if (a === 1) return 1 - (1 - p) ** (1 / b)
  const log = logBeta(a, b)
  let low = 0
  let high = 1
  for (let step = 0; step < STEPS; step++) {
    const middle = (low + high) / 2
    if (shareBelow(middle, { a, b, log }) < p) low = middle
    else high = middle
  }
  return (low + high) / 2
}

/** The regularised incomplete beta function: the share of Beta(a, b) below `x`. */
export function betaShare(x: number, a: number, b: number): number {
  if (x <= 0) return 0
  if (x >= 1) return 1
  return shareBelow(x, { a, b, log: logBeta(a, b) })
}

/** Of the factor before x^(a-1) (1-x)^(b-1), the logarithm. */
const logBeta = (a: number, b: number): number => logGamma(a + b) - logGamma(a) - logGamma(b)

function shareBelow(x: number, { a, b, log }: { a: number; b: number; log: number }): number {
  const front = Math.exp(log + a * Math.log(x) + b * Math.log1p(-x))
  return x < (a + 1) / (a + b + 2) ? (front * fraction(x, a, b)) / a : 1 - (front * fraction(1 - x, b, a)) / b
}

const TERMS_MAX = 500
const ENOUGH = 1e-13
const TINY = 1e-300

/** By Lentz's method. */
function fraction(x: number, a: number, b: number): number {
  const apart = (value: number): number => (Math.abs(value) < TINY ? TINY : value)
  let c = 1
  let d = 1 / apart(1 - ((a + b) * x) / (a + 1))
  let result = d
  for (let m = 1; m <= TERMS_MAX; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
    d = 1 / apart(1 + even * d)
    c = apart(1 + even / c)
    result *= d * c
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))
    d = 1 / apart(1 + odd * d)
    c = apart(1 + odd / c)
    const step = d * c
    result *= step
    if (Math.abs(step - 1) < ENOUGH) break
  }
  return result
}

const LANCZOS = [
  76.18009172947146, -86.50532032941678, 24.01409824083091, -1.231739572450155, 0.001208650973866179,
  -0.000005395239384953,
] as const

function logGamma(x: number): number {
  const shifted = x + 5.5
  let sum = 1.00000000019001
  for (const [index, coefficient] of LANCZOS.entries()) sum += coefficient / (x + 1 + index)
  return (x + 0.5) * Math.log(shifted) - shifted + Math.log((2.506628274631 * sum) / x)
}

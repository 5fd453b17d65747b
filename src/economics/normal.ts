/** Normally distributed numbers. */
import type { Random } from '#kernel/random.ts'

const WHOLE = 0x1_0000_0000

/** Uniform in the open interval (0, 1): never an end, so that its logarithm is finite. */
export const uniform = (random: Random): number => (random.int(WHOLE) + 0.5) / WHOLE

/** Source of independent standard normal numbers (Box-Muller, both of each pair). */
export function createNormals(random: Random): () => number {
  let spare = 0
  let hasSpare = false
  return () => {
    hasSpare = !hasSpare
    if (!hasSpare) return spare
    const radius = Math.sqrt(-2 * Math.log(uniform(random)))
    const angle = 2 * Math.PI * uniform(random)
    spare = radius * Math.sin(angle)
    return radius * Math.cos(angle)
  }
}

const CENTRE_A = [
  -39.69683028665376, 220.9460984245205, -275.9285104469687, 138.357751867269, -30.66479806614716,
  2.506628277459239,
] as const
const CENTRE_B = [
  -54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972, -13.28068155288572, 1,
] as const
const TAIL_C = [
  -0.007784894002430293, -0.3223964580411365, -2.400758277161838, -2.549732539343734, 4.374664141464968,
  2.938163982698783,
] as const
const TAIL_D = [0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416, 1] as const
const TAIL = 0.02425

/** The standard normal number below which the share `p` of them lies; `p` in (0, 1). Acklam's rational fit, exact to 1.2e-9. */
export function normalQuantile(p: number): number {
  if (p > 1 - TAIL) return -normalQuantile(1 - p)
  if (p < TAIL) {
    const q = Math.sqrt(-2 * Math.log(p))
    return polynomial(TAIL_C, q) / polynomial(TAIL_D, q)
  }
  const q = p - 0.5
  return (q * polynomial(CENTRE_A, q * q)) / polynomial(CENTRE_B, q * q)
}

/** Coefficients of the highest power first. */
function polynomial(coefficients: readonly number[], x: number): number {
  let sum = 0
  for (const coefficient of coefficients) sum = sum * x + coefficient
  return sum
}

/** Source of Beta(`alpha`, `beta`) numbers, both above 0: the ratio of two Gammas (Marsaglia and Tsang). */
export function createBetas(random: Random, { alpha, beta }: { alpha: number; beta: number }): () => number {
  const normal = createNormals(random)
  const [first, second] = [gammas(random, normal, alpha), gammas(random, normal, beta)]
  return () => {
    const a = first()
    return a / (a + second())
  }
}

function gammas(random: Random, normal: () => number, shape: number): () => number {
  // The method needs a shape of at least 1: one below it is drawn at one more, then shrunk.
  const boost = shape < 1 ? shape + 1 : shape
  const d = boost - 1 / 3
  const c = 1 / Math.sqrt(9 * d)
  const draw = (): number => {
    for (;;) {
      const x = normal()
      const v = (1 + c * x) ** 3
      if (v > 0 && Math.log(uniform(random)) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v
    }
  }
  return shape < 1 ? () => draw() * uniform(random) ** (1 / shape) : draw
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRandom } from '#kernel/random.ts'
import {
  type Draw,
  exponential,
  gammaBelowOne,
  hyperExponential,
  logNormal,
  poisson,
  weibull,
} from './draws.ts'

const branches = [
  { weight: 0.25, mean: 10 },
  { weight: 0.75, mean: 2 },
]
/** By their formulas: the mean, and the share of draws below a point. */
const draws: readonly (readonly [name: string, draw: Draw, mean: number, below: number, share: number])[] = [
  ['exponential', exponential(3), 3, 3, 1 - Math.exp(-1)],
  ['weibull', weibull({ shape: 0.5, scale: 2 }), 4, 2, 1 - Math.exp(-1)],
  ['log-normal', logNormal({ median: 2, sigma: 0.5 }), 2 * Math.exp(0.125), 2, 0.5],
  ['gamma', gammaBelowOne({ shape: 0.5, scale: 2 }), 1, 1, 0.6827],
  ['hyper-exponential', hyperExponential(branches), 4, 2, 1 - 0.25 * Math.exp(-0.2) - 0.75 * Math.exp(-1)],
]
for (const [name, draw, mean, below, share] of draws) {
  test(`${name} draws have the mean and the spread of their formula`, () => {
    const random = createRandom(7)
    const values = Array.from({ length: 40_000 }, () => draw(random))
    near(meanOf(values), mean, 0.04 * mean)
    near(values.filter((value) => value < below).length / values.length, share, 0.01)
  })
}

test('counts have their mean and, being rare events, a variance like it', () => {
  for (const mean of [0.3, 12, 95]) {
    const random = createRandom(7)
    const counts = Array.from({ length: 10_000 }, () => poisson(mean, random))
    near(meanOf(counts), mean, 0.03 * mean)
    near(meanOf(counts.map((count) => (count - mean) ** 2)), mean, 0.06 * mean)
  }
})

const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

function near(value: number, expected: number, within: number): void {
  assert.ok(Math.abs(value - expected) <= within, `${value} is not within ${within} of ${expected}`)
}

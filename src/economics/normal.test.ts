import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRandom } from '#kernel/random.ts'
import { createBetas, createNormals, normalQuantile } from './normal.ts'

test('quantiles are those of the tables', () => {
  const known = [
    [0.5, 0],
    [0.95, 1.644853627],
    [0.975, 1.959963985],
    [0.001, -3.090232306],
    [1e-9, -5.997807015],
  ] as const
  for (const [p, quantile] of known) {
    assert.ok(Math.abs(normalQuantile(p) - quantile) < 1e-7, `${p}: ${normalQuantile(p)}`)
    assert.ok(Math.abs(normalQuantile(1 - p) + quantile) < 1e-6)
  }
})

test('draws have the mean and the spread of their distribution', () => {
  const random = createRandom(1)
  const normal = createNormals(random)
  assertMoments(normal, { mean: 0, deviation: 1 })
  const shapes = [
    [60, 2],
    [61.8, 0.2],
    [0.5, 0.5],
  ] as const
  for (const [alpha, beta] of shapes) {
    const mean = alpha / (alpha + beta)
    const deviation = Math.sqrt((mean * (1 - mean)) / (alpha + beta + 1))
    assertMoments(createBetas(random, { alpha, beta }), { mean, deviation })
  }
})

function assertMoments(draw: () => number, wanted: { mean: number; deviation: number }): void {
  const count = 20_000
  const values = Array.from({ length: count }, draw)
  const mean = values.reduce((sum, value) => sum + value, 0) / count
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count)
  assert.ok(Math.abs(mean - wanted.mean) < 4 * (wanted.deviation / Math.sqrt(count)), `mean ${mean}`)
  assert.ok(Math.abs(deviation / wanted.deviation - 1) < 0.05, `deviation ${deviation}`)
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Measurement } from './measure.ts'
import { parts } from './parts.ts'
import { describePart, formatTable, memoryPerStream, type Row } from './report.ts'

test('a table sets others in relation to our gateway and to what is behind it', () => {
  const [json] = parts
  assert.ok(json)
  const lines = describePart(json, [
    row('direct', { perSecond: 60_000, p50: 15, p99: 22 }),
    row('Portkey 1.15.2', { perSecond: 1_000, p50: 620, p99: 6_000 }),
    row('Shoal', { perSecond: 4_000, p50: 215, p99: 1_022 }),
  ])
  const cells = (name: string) =>
    lines
      .find((line) => line.startsWith(name))
      ?.split(/\s{2,}/)
      .filter(Boolean)
  assert.ok(cells('Shoal')?.includes('200/1,000'))
  assert.ok(cells('Portkey 1.15.2')?.includes('605/5,978'))
  assert.equal(cells('Portkey 1.15.2')?.at(-1), '4.00')
  assert.ok(!cells('direct')?.includes('0/0'))
})

test('what failed shows beside the name', () => {
  const [json] = parts
  assert.ok(json)
  const lines = describePart(json, [row('Shoal', { perSecond: 1, p50: 1, p99: 1, errors: 2 })])
  assert.ok(lines.some((line) => line.startsWith('Shoal (2 failed, 0 wrong tokens)')))
})

test('memory of a stream is what the most have more than the fewest', () => {
  const rows = [
    row('Shoal', { streams: 100, memoryBytes: 100 * 2 ** 20 }),
    row('Shoal', { streams: 900, memoryBytes: 125 * 2 ** 20 }),
    row('Shoal', { streams: 512, memoryBytes: 2 ** 40 }),
    row('undici', { streams: 1_900, memoryBytes: 2 ** 40 }),
  ]
  assert.equal(memoryPerStream(rows, 'Shoal'), 32)
  assert.equal(memoryPerStream(rows.slice(0, 1), 'Shoal'), null)
})

test('columns are as wide as their widest cell', () => {
  assert.deepEqual(
    formatTable([
      ['target', 'per s'],
      ['a', '1,000,000'],
    ]),
    ['target      per s', 'a       1,000,000'],
  )
})

interface Given {
  readonly perSecond?: number
  readonly p50?: number
  readonly p99?: number
  readonly errors?: number
  readonly streams?: number
  readonly memoryBytes?: number
}

function row(target: string, given: Given): Row {
  const { perSecond = 0, p50 = 0, p99 = 0, errors = 0, streams = 0, memoryBytes = null } = given
  const spread = { p50, p90: p99, p99, max: p99 }
  const measurement: Measurement = {
    requests: perSecond,
    seconds: 1,
    perSecond,
    errors,
    tokens: 0,
    tokensPerSecond: 0,
    wrongTokens: 0,
    late: 0,
    cpuMicros: 0,
    first: spread,
    total: spread,
    gap: null,
    cpuMicrosPerRequest: null,
    cpuMicrosPerToken: null,
    corePercent: null,
    memoryBytes,
    foreignPercent: 0,
  }
  return { part: 'json', load: '1 at a time', target, streams, measurement }
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAmount } from './amount.ts'
import { editDistance } from './closest-names.ts'
import { findGpu } from './find-gpu.ts'
import { findPlace } from './find-place.ts'
import { ageDays } from './source-date.ts'
import { shippedCatalogue } from './test-catalogue.ts'

const { gpus, places } = shippedCatalogue()

test('every GPU is found by its name, its id, and with its maker before it', () => {
  for (const gpu of gpus) {
    for (const name of [gpu.name, gpu.id, gpu.id.toUpperCase(), `${gpu.vendor} ${gpu.name}`]) {
      const match = findGpu(name, gpus)
      assert.equal(match.kind === 'found' && match.gpu.id, gpu.id, name)
    }
  }
})

const found: [name: string, id: string][] = [
  ['4090', 'rtx-4090'],
  ['rtx4090', 'rtx-4090'],
  ['NVIDIA GeForce RTX 4090', 'rtx-4090'],
  ['3080', 'rtx-3080'],
  ['3080Ti', 'rtx-3080-ti'],
  ['RTX 4070 Ti SUPER', 'rtx-4070-ti-super'],
  ['7900xtx', 'rx-7900-xtx'],
  ['NVIDIA A100-SXM4-80GB', 'a100-sxm4-80gb'],
  ['NVIDIA A100 80GB PCIe', 'a100-pcie-80gb'],
  ['NVIDIA H100 80GB HBM3', 'h100-sxm5-80gb'],
  ['NVIDIA H200', 'h200-sxm'],
  ['Tesla T4', 't4'],
  ['L40', 'l40'],
]
for (const [name, id] of found) {
  test(`"${name}" is ${id}`, () => {
    const match = findGpu(name, gpus)
    assert.equal(match.kind === 'found' && match.gpu.id, id)
  })
}

test('a name that fits several GPUs asks which', () => {
  const match = findGpu('A100', gpus)
  assert.deepEqual(match.kind === 'ambiguous' && match.gpus.map(({ id }) => id), [
    'a100-pcie-40gb',
    'a100-pcie-80gb',
    'a100-sxm4-80gb',
  ])
})

const unknown: [name: string, closest: string][] = [
  ['4900', 'rtx-4090'],
  ['NVIDIA GeForce RTX 4090 Laptop GPU', 'rtx-4090'],
  ['RTX 4090 D', 'rtx-4090'],
  ['GTX 4090', 'rtx-4090'],
  ['RTX 4O90', 'rtx-4090'],
]
for (const [name, closest] of unknown) {
  test(`"${name}" is no GPU of the catalogue, and ${closest} is offered`, () => {
    const match = findGpu(name, gpus)
    assert.equal(match.kind === 'unknown' && match.closest[0]?.id, closest)
  })
}

test('whatever is asked for, five names are offered', () => {
  for (const name of ['', 'RTX', 'GeForce', 'Voodoo 2', '🐟']) {
    const match = findGpu(name, gpus)
    assert.equal(match.kind === 'unknown' && match.closest.length, 5, name)
  }
})

test('every place is found by its code and by its name, but for the two Georgias', () => {
  for (const place of places) {
    const byCode = findPlace(place.code.toLowerCase(), places)
    assert.equal(byCode.kind === 'found' && byCode.place.code, place.code)
    const byName = findPlace(` ${place.name} `, places)
    if (place.name === 'Georgia') assert.equal(byName.kind, 'ambiguous')
    else assert.equal(byName.kind === 'found' && byName.place.code, place.code)
  }
})

test('people say other names for places, and misspell them', () => {
  const names = [
    ['USA', 'US'],
    ['uk', 'GB'],
    ['Deutschland', 'DE'],
    ['TX', 'US-TX'],
    ['CA', 'CA'],
  ] as const
  for (const [name, code] of names) {
    const match = findPlace(name, places)
    assert.equal(match.kind === 'found' && match.place.code, code, name)
  }
  const match = findPlace('Germny', places)
  assert.equal(match.kind === 'unknown' && match.closest[0]?.code, 'DE')
})

test('a letter more, less, other or swapped is one step', () => {
  for (const [a, b, steps] of [
    ['', '', 0],
    ['4090', '4090', 0],
    ['4090', '4900', 1],
    ['4090', '409', 1],
    ['4090', '4O90', 1],
    ['', 'abc', 3],
    ['kitten', 'sitting', 3],
  ] as const) {
    assert.equal(editDistance(a, b), steps, `${a} ${b}`)
    assert.equal(editDistance(b, a), steps)
  }
})

test('amounts are read as people write them, with their currency', () => {
  const read = [
    [0.12, 0.12, 'USD'],
    ['0.12', 0.12, 'USD'],
    ['$0.12', 0.12, 'USD'],
    ['0.12 USD/kWh', 0.12, 'USD'],
    ['€ 0.30', 0.3, 'EUR'],
    ['0.30 EUR / kWh', 0.3, 'EUR'],
    ['30 ct', 0.3, 'USD'],
    ['30c/kWh', 0.3, 'USD'],
    ['28p', 0.28, 'GBP'],
    ['2.5 sek', 2.5, 'SEK'],
    ['-0.01', -0.01, 'USD'],
  ] as const
  for (const [text, value, currency] of read)
    assert.deepEqual(parseAmount(text), { kind: 'amount', value, currency }, `${text}`)
})

test('amounts that could be read in two ways, or in none, are not', () => {
  for (const text of [
    '',
    'free',
    '0,30',
    '1.2.3',
    '$0.30 EUR',
    '0.30 bananas',
    Number.NaN,
    Number.POSITIVE_INFINITY,
  ]) {
    assert.deepEqual(parseAmount(text), { kind: 'unreadable' }, `${text}`)
  }
})

test('a source is as old as the end of what it names', () => {
  const now = Date.UTC(2026, 10, 22)
  const ages = [
    ['2026-11-22', 0],
    ['2026-12-24', 0],
    ['2026-08-22', 92],
    ['2026-10', 22],
    ['2026-S1', 145],
    ['2026-Q2', 145],
    ['2025', 326],
    ['2024-2025', 326],
    ['2025 (undated)', null],
    ['recently', null],
  ] as const
  for (const [asOf, days] of ages) assert.equal(ageDays(asOf, now), days, asOf)
})

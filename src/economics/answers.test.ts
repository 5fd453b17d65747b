import assert from 'node:assert/strict'
import { test } from 'node:test'
import { adviseNetworks } from './advisor.ts'
import { type Answer, answersOf } from './answers.ts'
import { assess } from './economics.ts'
import { unknownMachine } from './network-fit.ts'
import type { RoiInput } from './roi-input.ts'
import { shippedCatalogue } from './test-catalogue.ts'

const catalogue = shippedCatalogue()

const cases: [input: RoiInput, run: string, buy: string, where: string][] = [
  [{ gpu: 'RTX 4090', electricityPerKwh: 0.12 }, 'Yes, at the list price', 'A coin toss', 'Akash Network'],
  [
    { gpu: 'RTX 4090', electricityPerKwh: 0.12, pricePerGpuHour: 0.34 },
    'Yes',
    'A coin toss',
    'Akash Network',
  ],
  [{ gpu: 'RTX 4090', electricityPerKwh: 0.34 }, 'A coin toss', 'Hardly', 'Akash Network'],
  [{ gpu: 'RTX 4090', electricityPerKwh: 0.9 }, 'No', 'No', 'Nowhere'],
  [
    { gpu: 'RTX 4090', electricityPerKwh: 0.12, purchase: 600 },
    'Yes, at the list price',
    'Yes, at the list price',
    'Akash Network',
  ],
  [{ gpu: 'H100 SXM', electricityPerKwh: 0.1 }, 'Yes, at the list price', 'Not known yet', 'Akash Network'],
  [{ gpu: 'RTX 4060', electricityPerKwh: 0.1 }, 'Not known yet', 'Not known yet', 'Nowhere known'],
]
for (const [input, run, buy, where] of cases) {
  test(`${JSON.stringify(input)}: run ${run}, buy ${buy}, where ${where}`, () => {
    const [first, second, third] = setup(input)
    assert.deepEqual([first?.short, second?.short], [run, buy])
    if (where !== 'Nowhere known') assert.equal(third?.short, where)
    for (const { text } of [first, second, third].filter((answer) => answer !== undefined)) {
      assert.match(text, /^[A-Z$].*\.$/)
      assert.doesNotMatch(text, /NaN|undefined|null/)
    }
  })
}

test('lower prices that were seen are named before anybody runs a card for a list price', () => {
  const [run, , where] = setup({ gpu: 'RTX 3060', country: 'US' })
  assert.match(run?.text ?? '', /At the lower prices that were seen on some networks it loses\.$/)
  assert.match(where?.text ?? '', /Nosana at \$0\.048 leaves -\$/)
})

test('what is missing is asked for, with what can be said without it', () => {
  const [run] = setup({ gpu: 'RTX 4090' })
  assert.equal(run?.text, 'Tell the price of electricity (--kwh). Yes below $0.38/kWh.')
})

function setup(input: RoiInput): readonly Answer[] {
  const report = assess(catalogue, input, { paths: 3_000 })
  assert.ok(report.kind === 'report')
  const advice = adviseNetworks(catalogue, {
    input,
    known: { measured: null, nowMs: null },
    priceUsdPerGpuHour: {},
    tokenUsd: {},
    paths: 500,
    seed: 1,
    machine: unknownMachine,
    tolerance: 'medium',
  })
  assert.ok(advice.kind === 'advice')
  return answersOf(report, report.account ? { ...advice, tolerance: 'medium' } : null)
}

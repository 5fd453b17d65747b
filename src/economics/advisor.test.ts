import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AdviceQuestion, adviseNetworks, type NetworkAdvice } from './advisor.ts'
import { findGpu } from './find-gpu.ts'
import { tiersOf } from './machine-tier.ts'
import { unknownMachine } from './network-fit.ts'
import { shippedCatalogue } from './test-catalogue.ts'

const catalogue = shippedCatalogue()
const linux = {
  ...unknownMachine,
  os: 'linux',
  isDedicated: true,
  downMbps: 500,
  upMbps: 500,
  ramGb: 64,
  storageGb: 1_000,
} as const
const quote = { usd: 2, source: 'a test', asOf: '2026-11-22' }

test('every network has a row, and every row says why it is where it is', () => {
  const rows = setup({})
  assert.deepEqual(rows.map(({ id }) => id).sort(), catalogue.networks.map(({ id }) => id).sort())
  for (const { id, why } of rows) assert.ok(why.length > 0 && why.every((reason) => reason !== ''), id)
})

test('ranked rows come first, by score, and only they have a rank', () => {
  const rows = setup({ machine: linux })
  const ranked = rows.filter(({ status }) => status === 'ranked')
  assert.ok(ranked.length >= 4)
  assert.deepEqual(rows.slice(0, ranked.length), ranked)
  assert.deepEqual(
    ranked.map(({ rank }) => rank),
    ranked.map((_, index) => index + 1),
  )
  const scores = ranked.map(({ scoreUsd }) => scoreUsd ?? Number.NaN)
  assert.deepEqual(
    [...scores].sort((a, b) => b - a),
    scores,
  )
  for (const row of rows.slice(ranked.length)) assert.deepEqual([row.rank, row.scoreUsd], [null, null])
})

test('a network without a primary source is shown and never ranked, whatever price is claimed for it', () => {
  const nexus = rowOf(setup({ priceUsdPerGpuHour: { nexus: 5 } }), 'nexus')
  assert.deepEqual([nexus.status, nexus.stability], ['not_ranked', 'unverified'])
  assert.match(nexus.why.join(), /No primary source/)
})

test('points are no income: a network that documents no payout is not ranked', () => {
  const gensyn = rowOf(setup({ priceUsdPerGpuHour: { gensyn: 5 } }), 'gensyn')
  assert.deepEqual([gensyn.status, gensyn.medianUsd], ['not_ranked', null])
})

test('our own network is ranked only at a price that the owner says', () => {
  assert.match(rowOf(setup({}), 'shoal').why.join(), /Nothing tells what is rented there/)
  const said = rowOf(setup({ priceUsdPerGpuHour: { shoal: 0.2 } }), 'shoal')
  assert.deepEqual([said.status, said.price?.usdPerGpuHour, said.takeShare], ['ranked', 0.2, 0.05])
})

test('all are compared at one price; what a network publishes itself stands beside it', () => {
  const rows = setup({ machine: linux }).filter(({ status }) => status === 'ranked')
  assert.deepEqual([...new Set(rows.map(({ price }) => price?.usdPerGpuHour))], [0.34])
  const { atOwnPrice, cautions, medianUsd } = rowOf(rows, 'vast')
  assert.equal(atOwnPrice?.price.usdPerGpuHour, 0.1348)
  assert.ok((atOwnPrice?.medianUsd ?? 0) < (medianUsd ?? 0))
  assert.match(cautions.join(' '), /At the price seen there, \$0\.13/)
  assert.match(rowOf(rows, 'akash').cautions.join(' '), /publishes no price for this GPU/)
})

test('an emission is a reward and never counted as rent, whatever its token or its renters are said to be worth', () => {
  const change = { machine: linux, tokenUsd: { RENDER: quote }, priceUsdPerGpuHour: { render: 5 } }
  for (const rows of [setup({ machine: linux }), setup(change)]) {
    const render = rowOf(rows, 'render')
    assert.deepEqual(
      [render.status, render.medianUsd, render.price, render.atOwnPrice],
      ['not_ranked', null, null, null],
    )
    assert.match(render.why.join(), /share an emission of RENDER.*never counted as rent/)
  }
})

test('a row shows what its token did to payouts, custody, contract, lock-up and stake', () => {
  const rows = setup({ machine: linux, tokenUsd: { RENDER: quote } })
  const render = rowOf(rows, 'render')
  assert.deepEqual([render.lockDays, render.token?.token, render.token?.isOwnSeries], [7, 'RENDER', false])
  assert.match(
    render.token?.text ?? '',
    /proxy "payout tokens of GPU networks", 1\.0 a year.*20 % of a payout/,
  )
  const cautions = render.cautions.join(' ')
  for (const part of [
    /Lock-up: 7 days/,
    /Custody: Own wallet/,
    /Contract: Emission/,
    /Not counted: 25 RENDER/,
  ])
    assert.match(cautions, part)
  assert.match(rowOf(rows, 'ionet').cautions.join(' '), /Stake at risk: it is held in IO.*14 days/)
})

test("the owner's series of a token goes before the shipped figures", () => {
  const prices = Array.from({ length: 60 }, (_, day) => ({ atMs: day * 86_400_000, usd: day % 2 ? 2 : 1 }))
  const tokenSeries = [{ token: 'NOS', source: 'nos.csv', prices }]
  const known = { measured: null, nowMs: null, tokenSeries }
  const { token, medianUsd } = rowOf(setup({ machine: linux, known }), 'nosana')
  assert.deepEqual([token?.isOwnSeries, token?.maxDrawdown, token?.past?.count], [true, -0.5, 60])
  assert.match(token?.text ?? '', /60 prices, nos\.csv.*\$50\.00 or less in one of twenty/)
  const shipped = rowOf(setup({ machine: linux }), 'nosana')
  assert.ok((medianUsd ?? 0) < (shipped.medianUsd ?? 0), 'a wilder token leaves less in the middle case')
})

test('who fears losses more ranks what pays in dollars above what pays in a floating token', () => {
  const place = (tolerance: AdviceQuestion['tolerance'], id: string) =>
    rowOf(setup({ machine: linux, tolerance }), id).rank ?? Number.NaN
  assert.ok(place('high', 'nosana') < place('high', 'vast'))
  assert.ok(place('low', 'nosana') > place('low', 'vast'))
})

const exclusions: [what: string, id: string, change: Partial<AdviceQuestion>, why: RegExp][] = [
  ['another system', 'salad', { machine: linux }, /needs Windows; you have Linux/],
  ['too slow a line', 'ionet', { machine: { ...linux, downMbps: 50 } }, /needs 100 Mbps down; you have 50/],
  [
    'too many GPUs',
    'nosana',
    { machine: linux, input: input({ gpuCount: 2 }) },
    /at most 1 GPU in a machine; you have 2/,
  ],
  [
    'too little memory on the GPU',
    'nosana',
    { machine: linux, input: input({ gpu: 'GTX 1660 Super' }) },
    /needs 8 GB of GPU memory; you have 6/,
  ],
  [
    'another maker',
    'vast',
    { machine: linux, input: input({ gpu: 'Arc B580', pricePerGpuHour: 0.1 }) },
    /needs NVIDIA or AMD; you have Intel/,
  ],
  [
    'no score',
    'render',
    { machine: linux, input: input({ gpu: 'RTX 3060' }) },
    /a GPU that it has a score for/,
  ],
  [
    'a power limit',
    'salad',
    { machine: { ...unknownMachine, os: 'windows', isPowerLimited: true } },
    /without a power limit/,
  ],
  [
    'other uses of the machine',
    'vast',
    { machine: { ...linux, isDedicated: false } },
    /the machine for itself/,
  ],
  [
    'too dear a stake',
    'ionet',
    { machine: { ...linux, stakeBudgetUsd: 100 }, tokenUsd: { IO: quote } },
    /200 IO.*now \$400.*you would stake \$100/,
  ],
]
for (const [what, id, change, why] of exclusions) {
  test(`${what} excludes ${id}`, () => {
    const row = rowOf(setup(change), id)
    assert.equal(row.status, 'excluded')
    assert.match(row.why.join(' '), why)
  })
}

test('what is not known of a machine excludes nothing, and is told', () => {
  const { status, cautions } = rowOf(setup({}), 'vast')
  assert.equal(status, 'ranked')
  assert.match(cautions.join(' '), /not known of your machine: Linux, 10 Mbps down, the machine for itself/)
})

test('a token without a series of its own is shown with that of its like, by name', () => {
  const rows = setup({ machine: linux })
  const { token: akt } = rowOf(rows, 'akash')
  assert.deepEqual(
    [akt?.token, akt?.isOwnSeries, akt?.volatilityPerYear, akt?.maxDrawdown],
    ['AKT', true, 1.03, -0.79],
  )
  const { token: nos } = rowOf(rows, 'nosana')
  assert.deepEqual([nos?.token, nos?.isOwnSeries, nos?.maxDrawdown], ['NOS', false, null])
  assert.match(nos?.source ?? '', /no series of its own/)
  assert.equal(rowOf(rows, 'vast').token, null)
})

test('without a price of electricity nothing is ranked, and the price is asked for', () => {
  for (const row of setup({ input: { gpu: 'RTX 4090', country: 'AT' } })) {
    assert.notEqual(row.status, 'ranked')
    if (row.id === 'vast') assert.match(row.why.join(), /Not known: price of electricity/)
  }
})

test('an unknown GPU is refused before any network is asked', () => {
  const advice = adviseNetworks(catalogue, questionOf({ input: input({ gpu: '4900' }) }))
  assert.equal(advice.kind, 'refused')
})

test('the tiers that people ask about', () => {
  const cases = [
    ['RTX 4090', 1, ['consumer-24gb']],
    ['RTX 3090', 1, ['consumer-24gb']],
    ['RTX 3060', 1, ['older']],
    ['RTX 4060', 1, ['mid-range']],
    ['RTX 5070', 1, ['mid-range', 'latest']],
    ['H100 PCIe', 1, ['datacenter']],
    ['RTX 4090', 8, ['multi-gpu', 'consumer-24gb']],
    ['B200', 8, ['datacenter', 'multi-gpu', 'latest']],
  ] as const
  for (const [name, count, tiers] of cases) {
    const match = findGpu(name, catalogue.gpus)
    assert.deepEqual(match.kind === 'found' && tiersOf(match.gpu, count), tiers, name)
  }
})

function rowOf(rows: readonly NetworkAdvice[], id: string): NetworkAdvice {
  const row = rows.find((candidate) => candidate.id === id)
  assert.ok(row, id)
  return row
}

function input(change: Partial<AdviceQuestion['input']>): AdviceQuestion['input'] {
  return { gpu: 'RTX 4090', electricityPerKwh: 0.1, ...change }
}

function questionOf(change: Partial<AdviceQuestion>): AdviceQuestion {
  return {
    input: input({}),
    known: { measured: null, nowMs: null },
    priceUsdPerGpuHour: {},
    tokenUsd: {},
    paths: 400,
    seed: 1,
    machine: unknownMachine,
    tolerance: 'medium',
    ...change,
  }
}

function setup(change: Partial<AdviceQuestion>): readonly NetworkAdvice[] {
  const advice = adviseNetworks(catalogue, questionOf(change))
  assert.equal(advice.kind, 'advice', JSON.stringify(advice))
  return advice.kind === 'advice' ? advice.rows : []
}

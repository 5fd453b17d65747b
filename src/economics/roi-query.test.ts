import assert from 'node:assert/strict'
import { test } from 'node:test'
import { roiFlags } from '#cli/roi-options.ts'
import { EconomicsQuery } from '#protocol/economics.ts'
import { formatRoiQuery, parseRoiQuery, queryParameters, type RoiQuery } from './roi-query.ts'
import { shippedCatalogue } from './test-catalogue.ts'

const catalogue = shippedCatalogue()

test('every option of `shoal roi` is a parameter, of the same name and for the same field', () => {
  const ofOptions = roiFlags.map(({ flag, field }) => [flag.slice(2), field])
  const ofQuery = queryParameters.filter(({ field }) => field !== null && field !== 'usdPer')
  assert.deepEqual(ofQuery.map(({ name, field }) => [name, field]).sort(), ofOptions.sort())
})

test('the API takes the same parameters', () => {
  assert.deepEqual(Object.keys(EconomicsQuery.shape).sort(), queryParameters.map(({ name }) => name).sort())
})

test('numbers, shares, amounts, choices and rates are read', () => {
  const { input, gpu, seed, tolerance, machine, tokenUsd, networkPrice } = read({
    gpu: ' RTX 4090 ',
    utilisation: '55%',
    availability: '0.9',
    kwh: '0.30 EUR',
    'usd-per': 'EUR=1.17,GBP=1.33',
    site: 'colocation',
    seed: '7',
    risk: 'low',
    os: 'linux',
    ram: '64',
    dedicated: 'no',
    'power-limited': 'yes',
    'token-usd': 'RENDER=3.10',
    'network-price': 'akash=0.30',
  })
  assert.equal(gpu, 'RTX 4090')
  assert.ok(Math.abs((input.utilisation ?? 0) - 0.55) < 1e-12)
  assert.deepEqual(
    [input.availability, input.electricityPerKwh, input.usdPer, input.site],
    [0.9, '0.30 EUR', { EUR: 1.17, GBP: 1.33 }, 'colocation'],
  )
  assert.deepEqual([seed, tolerance, tokenUsd, networkPrice], [7, 'low', { RENDER: 3.1 }, { akash: 0.3 }])
  assert.deepEqual(
    [machine.os, machine.ramGb, machine.isDedicated, machine.isPowerLimited, machine.stakeBudgetUsd],
    ['linux', 64, false, true, null],
  )
})

test('what is not said is left out, and not made up', () => {
  const { input, gpu, seed, tolerance } = read({})
  assert.deepEqual([input, gpu, seed, tolerance], [{}, null, 1, 'medium'])
})

const wrong: readonly (readonly [name: string, value: string, message: RegExp])[] = [
  ['colour', 'red', /Nothing is called "colour" here/],
  ['__proto__', 'x', /Nothing is called "__proto__" here/],
  ['kwh', '', /kwh is empty/],
  ['utilisation', 'lots', /"lots" is no rented share of all hours: expected a number/],
  ['utilisation', '0,5', /expected a number such as 0\.5/],
  ['months', '1e3', /"1e3" is no length of the forecast/],
  ['site', 'moon', /expected home, colocation/],
  ['risk', 'none', /expected low, medium, high/],
  ['dedicated', 'true', /expected yes, no/],
  ['seed', '1.5', /a whole number from 0 to/],
  ['seed', '-1', /at least 0/],
  ['ram', '-5', /at least 0/],
  ['usd-per', 'EUR', /names with numbers above zero/],
  ['usd-per', 'EUR=0', /names with numbers above zero/],
  ['usd-per', 'EUR=1.1,EUR=1.2', /names with numbers above zero/],
  ['token-usd', 'DOGE=1', /token-usd knows no "DOGE"\. It knows: .*RENDER/],
  ['network-price', 'moon=1', /network-price knows no "moon"\. It knows: .*akash/],
  ['gpu', 'x'.repeat(101), /at most 100 characters/],
  ['price', '9'.repeat(41), /an amount such as/],
]

for (const [name, value, message] of wrong) {
  test(`${name}=${value.slice(0, 20)} is refused by name`, () => {
    const given = JSON.parse(`{${JSON.stringify(name)}: ${JSON.stringify(value)}}`) as Record<string, string>
    const { problems } = parseRoiQuery(given, catalogue)
    assert.deepEqual(
      problems.map((problem) => problem.name),
      [name],
    )
    assert.match(problems[0]?.message ?? '', message)
  })
}

test('everything that is wrong is told at once, and the rest is read', () => {
  const { query, problems } = parseRoiQuery({ gpu: 'RTX 3090', seed: 'x', foo: '1', tax: '30%' }, catalogue)
  assert.deepEqual(problems.map(({ name }) => name).sort(), ['foo', 'seed'])
  assert.deepEqual([query.gpu, query.input.taxShare], ['RTX 3090', 0.3])
})

test('a link lists what was said in one order, and keeps what it does not know', () => {
  const search = formatRoiQuery({ zzz: '1', kwh: '0.30 EUR', gpu: 'RTX 4090', utilisation: '50%' })
  assert.equal(search, 'gpu=RTX+4090&kwh=0.30+EUR&utilisation=50%25&zzz=1')
  assert.deepEqual(Object.fromEntries(new URLSearchParams(search)), {
    gpu: 'RTX 4090',
    kwh: '0.30 EUR',
    utilisation: '50%',
    zzz: '1',
  })
})

function read(given: Readonly<Record<string, string>>): RoiQuery {
  const { query, problems } = parseRoiQuery(given, catalogue)
  assert.deepEqual(problems, [])
  return query
}

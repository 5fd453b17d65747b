import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inputInfo } from '#economics/input-lines.ts'
import { readDataFiles } from '#host/node/data-files.ts'
import { roiInputOf, typedOptions } from './roi-options.ts'
import { createStubTerminal, type StubTerminal } from './stub-context.ts'

test('the shortest question gets a verdict, an account, a forecast and the source of every number', async () => {
  const { exitCode, out, err } = await setup().run('roi', '--gpu', 'RTX 4090', '--kwh', '0.12')
  assert.deepEqual([exitCode, err], [0, ''])
  assert.match(out, /^If you own the GeForce RTX 4090, .* a day .*\.\n/)
  for (const part of [
    'USD/DAY',
    'P(LOSS)',
    '▇',
    '│',
    'Where it breaks even',
    'shoal roi compare',
    'assumption',
    'Upper bound',
  ])
    assert.ok(out.includes(part), part)
})

test('the same seed tells the same futures', async () => {
  const ask = async (seed: string) =>
    (await setup().run('roi', '--gpu', '4090', '--kwh', '0.12', '--seed', seed)).out
  assert.equal(await ask('7'), await ask('7'))
  assert.notEqual(await ask('7'), await ask('8'))
})

test('every number that a report tells to change has its option', async () => {
  const { out } = await setup().run('roi', '--help')
  for (const { flag } of Object.values(inputInfo)) assert.match(out, new RegExp(` ${flag} <`), flag)
})

test('options become the input, and the input the options again', () => {
  const input = roiInputOf({ gpu: 'RTX 4090', kwh: '30 ct', maxWatts: 600, seed: 1, usdPer: { EUR: 1.17 } })
  assert.deepEqual(input, {
    gpu: 'RTX 4090',
    electricityPerKwh: '30 ct',
    loadWattsMax: 600,
    usdPer: { EUR: 1.17 },
  })
  assert.equal(typedOptions(input), '--gpu "RTX 4090" --kwh "30 ct" --max-watts 600 --usd-per EUR=1.17')
})

test('what cannot be right is refused in a sentence, with 2', async () => {
  const refused: [commandLine: string[], message: RegExp][] = [
    [['--kwh', '0.1'], /Say which GPU/],
    [['--gpu', 'RTX 4900', '--kwh', '0.1'], /"RTX 4900" is not in the catalogue\. Closest are: .*RTX 4090/],
    [['--gpu', '4090', '--kwh', '12'], /12 USD\/kWh is no price of electricity.*Did you mean 0\.12/],
    [['--gpu', '4090', '--kwh', '-0.1'], /-0\.1 USD\/kWh is no price/],
    [['--gpu', '4090', '--kwh', '0.30 EUR'], /--usd-per EUR=1\.17/],
    [['--gpu', '4090', '--kwh', '0,30'], /"0,30" is no price of electricity/],
    [['--gpu', '4090', '--kwh', '0.1', '--price', '0'], /nothing to work out/],
    [
      ['--gpu', '4090', '--kwh', '0.1', '--utilisation', '0.9', '--availability', '0.5'],
      /at most availability/,
    ],
    [['--gpu', '4090', '--kwh', '0.1', '--utilisation', '50'], /Did you mean 0\.5\?/],
    [['--gpu', '4090', '--kwh', '0.1', '--utilisation', 'much'], /Expected a number with a point/],
    [['--gpu', '4090', '--kwh', '0.1', '--usd-per', 'EUR'], /such as EUR=1\.17/],
    [['--gpu', '4090', '--country', 'Germny'], /Closest are: Germany \(DE\)/],
    [['--gpu', '4090', '--kwh', '0.1', '--network', 'nope'], /Known are: .*akash/],
    [['now', '--gpu', '4090'], /too many arguments/],
    [
      ['compare', '--gpu', '4090', '--kwh', '0.1', '--token-usd', 'DOGE=1'],
      /knows no "DOGE"\. It knows: .*AKT/,
    ],
    [['compare', '--gpu', '4090', '--kwh', '0.1', '--network-price', 'x=1'], /knows no "x"/],
  ]
  for (const [commandLine, message] of refused) {
    const { exitCode, out, err } = await setup().run('roi', ...commandLine)
    assert.deepEqual([exitCode, out], [2, ''], commandLine.join(' '))
    assert.match(err, message, commandLine.join(' '))
  }
})

test('without a price of electricity there is no result, but what can be said is', async () => {
  const { exitCode, out } = await setup().run('roi', '--gpu', '4090')
  assert.equal(exitCode, 0)
  assert.match(
    out,
    /cannot be said before you tell the price of electricity \(--kwh\); running it pays below \$/,
  )
  assert.doesNotMatch(out, /USD\/DAY/)
})

test('--json is the report', async () => {
  const { out } = await setup().run('roi', '--gpu', '4090', '--kwh', '0.12', '--json')
  const report = JSON.parse(out)
  assert.equal(report.kind, 'report')
  assert.equal(report.forecast.paths, 20_000)
  assert.ok(report.account.cashUsdPerDay > 0)
})

test('asked nothing in a terminal it asks, again where an answer cannot be right, and says how to repeat it', async () => {
  const input = ['', 'RTX 4900', 'RTX 4090', 'maybe', 'y', '', '12', '0.12', 'vast', 'half', '40%']
  const { exitCode, out, err } = await setup({ isTty: true, env: { NO_COLOR: '1' }, input }).run('roi')
  assert.equal(exitCode, 0)
  assert.match(err, /"RTX 4900" is not in the catalogue/)
  assert.match(err, /12 USD\/kWh is no price/)
  assert.match(err, /Expected a number with a point/)
  assert.match(err, /shoal roi --gpu "RTX 4090" --kwh 0\.12 --utilisation 0\.4 --network vast\n/)
  assert.match(out, /^If you own the GeForce RTX 4090/)
})

test('what it cannot look up it asks for as well', async () => {
  const input = ['RTX 4090', 'n', '1500', 'China', '', '', '0.09']
  const { out, err } = await setup({ isTty: true, env: { NO_COLOR: '1' }, input }).run('roi')
  assert.match(err, /no household price for China/)
  assert.match(err, /--kwh 0\.09 --country China --purchase 1500/)
  assert.match(out, /buying one for \$1,500/)
})

test('whoever ends the questions ends the command', async () => {
  const { exitCode, out } = await setup({ isTty: true, input: ['RTX 4090'] }).run('roi')
  assert.deepEqual([exitCode, out], [130, ''])
})

test('networks are ranked with a reason each; unverified ones are shown, never ranked', async () => {
  const { exitCode, out } = await setup().run('roi', 'compare', '--gpu', '4090', '--kwh', '0.12')
  assert.equal(exitCode, 0)
  assert.match(out, /^(At|If renters pay) .* in the middle case and .* in a bad one within 12 months/)
  assert.match(out, /^1 +\S/m)
  assert.match(out, /^not ranked +Nexus.*unverified$/m)
  const { networks } = JSON.parse(
    (await setup().run('roi', 'compare', '--gpu', '4090', '--kwh', '0.12', '--json')).out,
  )
  for (const { name, why } of networks) assert.ok(why.length > 0 && out.includes(`\n${name}\n  `), name)
  assert.doesNotMatch(out, /NaN|undefined|null/)
})

test('what the machine is excludes networks that do not take it', async () => {
  const { out } = await setup().run('roi', 'compare', '--gpu', '4090', '--kwh', '0.12', '--os', 'linux')
  assert.match(out, /^excluded +Salad/m)
})

test('a comparison without a price of electricity ranks nothing and says what it needs', async () => {
  const { out } = await setup().run('roi', 'compare', '--gpu', '4090')
  assert.match(out, /no network can be ranked yet/)
  assert.match(out, /\? price of electricity \(--kwh\)/)
})

test('a comparison of a GPU that nobody was seen renting out asks for the rent', async () => {
  const { out } = await setup().run('roi', 'compare', '--gpu', 'GTX 1070', '--kwh', '0.2')
  assert.match(out, /\? rental price \(--price\): Nobody was seen/)
})

test('gpus lists all, or those whose names have the words, and says what it does not know', async () => {
  const { run } = setup()
  const all = (await run('gpus')).out
  assert.match(all, /^GPU +MEMORY +POWER/)
  assert.match(all, /unknown/)
  assert.match((await run('gpus', '4090')).out, /^GeForce RTX 4090 +24 GB +450 W +\$[\d,]+ +\d{4}/m)
  assert.equal(JSON.parse((await run('gpus', 'rtx', '30', '--json')).out).gpus.length > 5, true)
  const none = await run('gpus', 'RTX 4900')
  assert.equal(none.exitCode, 2)
  assert.match(none.err, /Closest are: .*RTX 4090/)
})

function setup(terminal: Partial<StubTerminal> = {}) {
  const fetch = () => assert.fail('nothing is asked of a network')
  return createStubTerminal({ fetch, dataFiles: readDataFiles, ...terminal })
}

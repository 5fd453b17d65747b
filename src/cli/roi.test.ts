import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { inputInfo } from '#economics/input-lines.ts'
import { readDataFiles } from '#host/node/data-files.ts'
import { nodeTimeZones } from '#host/node/node-time-zones.ts'
import { createRecordedMachine } from '#sim/recorded-machine.ts'
import { roiInputOf, typedOptions } from './roi-options.ts'
import { createStubTerminal, type StubTerminal } from './stub-context.ts'

test('the shortest question gets a verdict, an account, a forecast and the source of every number', async () => {
  const { exitCode, out, err } = await setup().run('roi', '--gpu', 'RTX 4090', '--kwh', '0.12')
  assert.deepEqual([exitCode, err], [0, ''])
  assert.match(flat(out), /^If you own the GeForce RTX 4090, .* a day /)
  for (const part of [
    'USD/DAY',
    'P(LOSS)',
    '▇',
    '│',
    'Where it breaks even',
    'shoal roi compare',
    'Run the one you own?',
    'Buy one?',
    'Where?',
    'assumed, 2026-11-22',
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
    [['--gpu', '4090', '--kwh', '0.1', '--network', 'render'], /emission of RENDER.*never counted as rent/],
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
    flat(out),
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
  const input = ['', 'RTX 4900', 'RTX 4090', 'maybe', 'y', '', '12', '0.12', 'half', '40%']
  const { exitCode, out, err } = await setup({ isTty: true, env: { NO_COLOR: '1' }, input }).run('roi')
  assert.equal(exitCode, 0)
  assert.match(err, /"RTX 4900" is not in the catalogue/)
  assert.match(err, /12 USD\/kWh is no price/)
  assert.match(err, /Expected a number with a point/)
  assert.match(err, /shoal roi --gpu "RTX 4090" --kwh 0\.12 --utilisation 0\.4\n/)
  assert.match(out, /^If you own the GeForce RTX 4090/)
})

test('what it cannot look up it asks for as well', async () => {
  const input = ['RTX 4090', 'n', '1500', 'China', '', '0.09']
  const { out, err } = await setup({ isTty: true, env: { NO_COLOR: '1' }, input }).run('roi')
  assert.match(err, /no household price for China/)
  assert.match(err, /--kwh 0\.09 --country China --purchase 1500/)
  assert.match(flat(out), /buying one for \$1,500/)
})

test('whoever ends the questions ends the command', async () => {
  const { exitCode, out } = await setup({ isTty: true, input: ['RTX 4090'] }).run('roi')
  assert.deepEqual([exitCode, out], [130, ''])
})

test('networks are ranked with a reason each; unverified ones are shown, never ranked', async () => {
  const { exitCode, out } = await setup().run('roi', 'compare', '--gpu', '4090', '--kwh', '0.12')
  assert.equal(exitCode, 0)
  assert.match(flat(out), /^(At|If renters pay) .* in the middle case and .* in a bad one within 12 months/)
  assert.match(out, /^1 +\S/m)
  assert.match(out, /^– +Nexus.*not ranked(.|\n)*?payout unverified$/m)
  const { networks } = JSON.parse(
    (await setup().run('roi', 'compare', '--gpu', '4090', '--kwh', '0.12', '--json')).out,
  )
  for (const { name, why } of networks) assert.ok(why.length > 0 && out.includes(`\n${name}\n  `), name)
  assert.doesNotMatch(out, /NaN|undefined|null/)
})

test('what the machine is excludes networks that do not take it', async () => {
  const { out } = await setup().run('roi', 'compare', '--gpu', '4090', '--kwh', '0.12', '--os', 'linux')
  assert.match(out, /^– +Salad +excluded/m)
})

test('no line of a comparison is wider than the terminal', async () => {
  for (const columns of [60, 80, 120]) {
    const commandLine = ['compare', '--gpu', '4090', '--kwh', '0.12', '--token-usd', 'RENDER=3.1']
    const { out } = await setup({ env: { COLUMNS: String(columns) } }).run('roi', ...commandLine)
    for (const line of out.split('\n')) assert.ok([...line].length <= columns, `${columns}: ${line}`)
    assert.match(out, /^– +Render Network +not ranked/m)
  }
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

test('a tariff stands in for a price: its mean counts, and hours without a price are named', async () => {
  const tariff = (change: object) => JSON.stringify({ kind: 'time_of_use', currency: 'USD', ...change })
  const hours = [
    { from: '2026-11-22T00:00:00Z', to: '2026-11-22T10:00:00Z', per_kwh: 0.2 },
    { from: '2026-11-22T14:00:00Z', to: '2026-11-23T00:00:00Z', per_kwh: 0.3 },
  ]
  const files = {
    'tou.json': tariff({
      periods: [{ days: ['mon'], from: '00:00', to: '24:00', per_kwh: 0.35 }],
      otherwise: 0,
    }),
    'gap.json': JSON.stringify({ currency: 'EUR', prices: hours }),
    'none.json': tariff({ utc_offset_minutes: 0, periods: [], otherwise: null }),
    'bad.json': 'kWh: 30 ct',
  }
  const run = async (...options: string[]) => {
    const terminal = setup({ files, parts: { timeZones: nodeTimeZones } })
    const { out, err } = await terminal.run('roi', '--gpu', '4090', ...options)
    return flat(out + err)
  }
  const berlin = await run('--tariff', 'tou.json', '--time-zone', 'Europe/Berlin')
  assert.match(
    berlin,
    /price of electricity 0\.05 USD\/kWh --kwh given: tariff tou\.json: mean of a week, each hour alike/,
  )
  const gap = await run('--tariff', 'gap.json', '--usd-per', 'EUR=1.2')
  assert.match(gap, /price of electricity 0\.3 USD\/kWh/)
  assert.match(gap, /No price for 2026-11-22 10:00 UTC to 2026-11-22 14:00 UTC\..* 20 of 24 hours/)
  const refused: [options: string[], message: RegExp][] = [
    [['--tariff', 'gap.json'], /The tariff is in EUR.*--usd-per EUR=1\.17/],
    [['--tariff', 'tou.json'], /by whose clocks/],
    [['--tariff', 'tou.json', '--time-zone', 'Mars'], /"Mars" is no time zone/],
    [['--time-zone', 'UTC'], /give --tariff too/],
    [['--tariff', 'none.json'], /no price for any hour/],
    [['--tariff', 'bad.json'], /is not JSON/],
    [['--tariff', 'gone.json'], /There is no file gone\.json/],
  ]
  for (const [options, message] of refused) assert.match(await run(...options), message)
  assert.match(
    await run('--tariff', 'gap.json', '--usd-per', 'EUR=1.2', '--kwh', '0.1'),
    /0\.1 USD\/kWh --kwh given: you/,
  )
})

test('a token is drawn from its series, with its past; from shipped figures nothing is drawn', async () => {
  const prices = Array.from({ length: 90 }, (_, day) => ({
    at: 1_767_225_600 + day * 86_400,
    usd: 1 + (day % 10) / 10,
  }))
  const series = (token: string) => JSON.stringify({ token, prices })
  const files = { 'akt.json': series('AKT'), 'nos.json': series('NOS') }
  const compare = async (...options: string[]) => {
    const { out, err } = await setup({ files }).run(
      'roi',
      'compare',
      '--gpu',
      '4090',
      '--kwh',
      '0.1',
      ...options,
    )
    return out + err
  }
  const both = await compare('--token-history', 'akt.json', '--token-history', 'NOS=nos.json')
  assert.match(both, /^AKT {2}\$1\.00 … \$1\.90 {2}[▁▂▃▄▅▆▇█]{20,}$/m)
  assert.match(flat(both), /90 prices \(akt\.json\): moved by .* Moved with: NOS 1\.00\./)
  const none = await compare()
  assert.doesNotMatch(none, /[▁▂▃▄▅▆▇█]{5}/)
  assert.match(flat(none), /AKT 103 % a year, deepest fall 79 % .* Moved with: BTC 0\.57/)
  assert.match(
    flat(none),
    /RENDER 100 % a year \(no series of its own; proxy "payout tokens of GPU networks"/,
  )
  assert.match(
    await compare('--token-history', 'akt.json', '--token-history', 'AKT=akt.json'),
    /two series of AKT/,
  )
  assert.match(await compare('--token-history', 'NOS=akt.json'), /prices of AKT, not of NOS/)
})

test('a series may be at an address, and what is wrong there is told', async () => {
  const fetch = async ({ url }: Request) =>
    url.endsWith('/akt')
      ? new Response('date,price\n2026-01-01,1\n2026-01-02,2\n2026-01-03,1.5')
      : new Response('no', { status: 503 })
  const { run } = createStubTerminal({ fetch, dataFiles: readDataFiles })
  const ask = (place: string) =>
    run('roi', 'compare', '--gpu', '4090', '--kwh', '0.1', '--token-history', place)
  assert.match((await ask('AKT=https://prices.example/akt')).out, /3 prices \(prices\.example\)/)
  const { exitCode, err } = await ask('AKT=https://prices.example/nos')
  assert.deepEqual([exitCode, err], [7, 'shoal: prices.example answers with status 503, not with prices.\n'])
})

test('on its own machine it knows the card, and only asks for what nobody can measure', async () => {
  const machine = createRecordedMachine({
    commands: {
      'nvidia-smi': readFileSync(
        new URL('../../test/golden/gpu-probe/nvidia-one.csv', import.meta.url),
        'utf8',
      ),
    },
  })
  const input = ['', 'y', '', '0.12', '']
  const terminal = setup({ isTty: true, env: { NO_COLOR: '1' }, input, parts: { machine } })
  const { err, out } = await terminal.run('roi')
  assert.match(err, /--gpu rtx-4090 --kwh 0\.12/)
  assert.match(flat(out), /^If you own the GeForce RTX 4090/)
})

test('gpus lists all, or those whose names have the words, and says what it does not know', async () => {
  const { run } = setup()
  const all = (await run('gpus')).out
  assert.match(all, /^GPU +MEMORY +POWER/)
  assert.match(all, /unknown/)
  assert.match((await run('gpus', '4090')).out, /^GeForce RTX 4090 +24 GB +450 W +\$[\d,]+ +\$[\d.]+ +\d{4}/m)
  assert.equal(JSON.parse((await run('gpus', 'rtx', '30', '--json')).out).gpus.length > 5, true)
  const none = await run('gpus', 'RTX 4900')
  assert.equal(none.exitCode, 2)
  assert.match(none.err, /Closest are: .*RTX 4090/)
})

const flat = (text: string): string => text.replaceAll(/\s+/g, ' ')

function setup(terminal: Partial<StubTerminal> = {}) {
  const fetch = () => assert.fail('nothing is asked of a network')
  return createStubTerminal({ fetch, dataFiles: readDataFiles, ...terminal })
}

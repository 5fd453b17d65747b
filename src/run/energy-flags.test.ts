import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Command } from 'commander'
import { NANO_PER_USD } from '#kernel/money.ts'
import { type EnergyFlags, energyOf, energyOptions, firstAsk } from './energy-flags.ts'

test('without any option the ask is fixed, and nothing is known of electricity', () => {
  const { config, ask } = read()
  assert.equal(ask, NANO_PER_USD / 50n)
  assert.deepEqual(config, {
    autoAsk: null,
    usdPerKwh: null,
    tariff: null,
    tariffUsdPerUnit: null,
    timeZone: null,
    plug: null,
    watts: null,
    historyDays: 3,
    feeBps: 500,
  })
})

test('a floating ask has a floor, given or not, and where it is given a most', () => {
  assert.deepEqual(read('--ask', 'auto', '--kwh', '0.3').config.autoAsk, {
    floor: NANO_PER_USD / 50n,
    max: null,
  })
  const { config, ask } = read('--ask', 'auto', '--kwh', '$0.3', '--ask-floor', '0', '--ask-max', '0.5')
  assert.deepEqual(config.autoAsk, { floor: 0n, max: NANO_PER_USD / 2n })
  assert.equal(ask, 0n)
})

test('an address stays as it is, and a file is found from where the command runs', () => {
  assert.equal(read('--tariff', 'https://prices.example/a?b').config.tariff, 'https://prices.example/a?b')
  assert.match(read('--tariff', 'prices.json').config.tariff ?? '', /^\/.*\/prices\.json$/)
})

test('a price may be written in cents', () => {
  assert.equal(read('--kwh', '30 ct').config.usdPerKwh, 0.3)
})

const refusals: readonly [name: string, flags: string, message: RegExp][] = [
  ['a floating ask without a price of electricity', '--ask auto', /needs to know what electricity costs/],
  ['a floor of a fixed ask', '--ask 0.1 --ask-floor 0.05', /go with --ask auto/],
  ['a most below the floor', '--ask auto --kwh 0.3 --ask-max 0.01', /below the floor/],
  ['one of two watts', '--watts-load 400', /go together/],
  ['less at work than idle', '--watts-load 90 --watts-idle 100', /cannot draw 100 W without work/],
  ['a rate of no tariff', '--tariff-usd 1.08', /give --tariff too/],
  ['a price of nothing', '--kwh 0', /more than 0 and at most 3 USD/],
  ['a price below nothing', '--kwh=-0.1', /more than 0/],
  ['a price in cents without saying so', '--kwh 12', /Did you mean 0\.12 \(12 cents\)/],
  ['a price in another currency', '--kwh €0.30', /This is in EUR; asks are in USD/],
  ['a price that is none', '--kwh cheap', /Expected a price in USD/],
  ['an ask that is none', '--ask much', /Expected an amount in USD/],
  ['no watts at all', '--watts-idle 0', /Expected a number from 1/],
]

for (const [name, flags, message] of refusals) {
  test(`${name} is refused`, () => assert.throws(() => read(...flags.split(' ')), { message }))
}

function read(...commandLine: string[]) {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => undefined })
  for (const option of energyOptions('what it asks')) command.addOption(option)
  command.parse(commandLine, { from: 'user' })
  const flags = command.opts<EnergyFlags>()
  return { config: energyOf(flags, 500), ask: firstAsk(flags) }
}

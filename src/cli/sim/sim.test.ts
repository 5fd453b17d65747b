import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createStubTerminal } from '../stub-context.ts'
import type { SimReport } from './sim-run.ts'

const SMALL = ['--nodes', '8', '--months', '40']

test('it answers in one sentence what is kept, and how many spares keep it', async () => {
  const { out, exitCode } = await setup().run('sim', ...SMALL)
  assert.equal(exitCode, 0)
  const text = out.replaceAll('\n', ' ')
  assert.match(
    text,
    /^4 services of 2 copies on 8 machines \(dedicated\) with 1 spare keep 99\.9 % \(enterprise\) in [\d.]+ % of their months\. It takes \d+ spares? to keep it in 99\.9 % of them\./,
  )
  for (const title of [
    'What is kept',
    'How long a service is down',
    'How many spares',
    'With the same spares',
  ])
    assert.match(out, new RegExp(`^${title}`, 'm'))
})

test('of months that are too few to tell the share that is wanted it says so', async () => {
  const few = await setup().run('sim', ...SMALL)
  assert.match(
    few.out.replaceAll('\n', ' '),
    /Spares were tried for 160 months of services alone, and it takes 1,000 to tell 99\.9 % from all\./,
  )
  const enough = await setup().run('sim', ...SMALL, '--goal', '99')
  assert.doesNotMatch(enough.out, /Spares were tried/)
})

test('the same seed gives the same report, as text and as JSON; each row of spares adds up', async () => {
  const [one, same] = await Promise.all([json(), json()])
  assert.deepEqual(one, same)
  assert.notDeepEqual(one.outlook, (await json('--seed', '2', '--fleet', 'mix')).outlook)
  for (const { machinesUsd, creditsUsd, totalUsd } of one.spares.rows)
    assert.equal(machinesUsd + creditsUsd, totalUsd)
  const { needed, rows } = one.spares
  for (const { spares, keptShare } of rows) if (spares === needed) assert.ok(keptShare >= one.goal)
})

test('own machines, their price and what customers pay are taken as given', async () => {
  const given = ['--up', 'exp:5h', '--down', 'fixed:1h', '--price', '2', '--charge', '100', '--independent']
  const { outlook, chargesUsd, pricePerHour } = await json(...given, '--spares', '0', '--replicas', '1')
  assert.ok(Math.abs(outlook.machineAvailability - 5 / 6) < 0.01)
  assert.ok(Math.abs(outlook.machinesUsdPerMonth - (8 * 2 * 730 * 5) / 6) < 150)
  assert.deepEqual([chargesUsd, pricePerHour], [800, 'as given'])
  assert.equal(outlook.promises.find(({ name }) => name === 'standard')?.creditShare, 0.5)
})

test('a page with charts is written beside the text', async () => {
  const terminal = setup()
  await terminal.run('sim', ...SMALL, '--html', 'fleet.html')
  const page = String(terminal.files.get('fleet.html'))
  assert.equal(page.match(/<svg/g)?.length, 3)
  assert.doesNotMatch(page, /NaN|undefined|<script|Infinity/)
})

test('a fleet that cannot be is refused with what could', async () => {
  const refusals: readonly (readonly [options: string[], why: RegExp])[] = [
    [['--nodes', '9'], /multiple of --replicas, such as 10/],
    [['--nodes', '8', '--needs', '3'], /at most 2/],
    [['--fleet', 'gold'], /datacentre, dedicated, gaming, spot and mix/],
    [['--fleet', 'dedicated,dedicated'], /several once each/],
    [['--up', 'uniform:3'], /--up uniform:3 is no lifetime\. There are: exp:MEAN/],
    [['--fleet', 'mix', '--down', 'fixed:1m'], /--down alone changes one kind/],
    [['--nodes', '2000', '--months', '100000'], /fewer --months/],
    [['--up', 'fixed:1s', '--down', 'fixed:1s'], /leave some \d+ million times, and 200 million fit/],
    [
      ['--nodes', '2000', '--replicas', '100', '--months', '100000', '--fleet', 'spot'],
      /fewer --months or --nodes/,
    ],
  ]
  for (const [options, why] of refusals) {
    const { err, exitCode } = await setup().run('sim', ...options)
    assert.equal(exitCode, 2, err)
    assert.match(err, why)
  }
})

async function json(...options: string[]): Promise<SimReport> {
  const { out } = await setup().run('sim', ...SMALL, ...options, '--json')
  return JSON.parse(out) as SimReport
}

function setup() {
  return createStubTerminal({ fetch: () => assert.fail('the network is not asked') })
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runMoney } from './money-run.ts'
import { runMoneySeeds } from './money-seeds.ts'

test('over seeds 1 to 3 of a network that breaks a liar ends with less than an honest node, no honest node is blamed, and the books are sound', async () => {
  const { byManner, ...sums } = await runMoneySeeds({ from: 1, seeds: 3, onRun: () => {} })
  assert.deepEqual(Object.keys(byManner).sort(), ['always', 'sleeper', 'sometimes'])
  for (const { liars, twins } of Object.values(byManner)) assert(liars * 2n < twins)
  // What the rules are about did happen.
  for (const what of ['audits', 'kills', 'deliveredLate', 'runningLost'] as const)
    assert(sums[what] > 0, what)
})

test('a result that is sent while its gateway starts is not thrown away, and a seed is one run', async () => {
  assert.deepEqual(await runMoney(8), await runMoney(8))
})

test('a customer who finds no coordinator asks again, and its job comes to its end', async () => {
  await runMoney(139)
})

test('a slow node that was frozen beyond its lease lets go of its task once it can know', async () => {
  await runMoney(155)
})

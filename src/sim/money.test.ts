import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runMoney } from './money-run.ts'
import { runMoneySeeds } from './money-seeds.ts'

test('over seeds 1 to 4 of a network that breaks a liar ends with less than an honest node, no honest node is blamed, and the books are sound', async () => {
  const { byManner, ...sums } = await runMoneySeeds({ from: 1, seeds: 4, onRun: () => {} })
  assert.deepEqual(Object.keys(byManner).sort(), ['always', 'sleeper', 'sometimes'])
  for (const { liars, twins } of Object.values(byManner)) assert(liars * 2n < twins)
  // What the rules are about did happen.
  for (const what of ['audits', 'kills', 'deliveredLate', 'runningLost'] as const)
    assert(sums[what] > 0, what)
})

test('a seed is one run', async () => {
  assert.deepEqual(await runMoney(3), await runMoney(3))
})

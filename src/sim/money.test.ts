import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runMoney } from './money-run.ts'
import { runMoneySeeds } from './money-seeds.ts'

test('over seeds 1 to 12 a liar ends with less than an honest node, no honest node is blamed, and the books are sound', async () => {
  const { byManner, kills, audits } = await runMoneySeeds({ from: 1, seeds: 12, onRun: () => {} })
  assert.deepEqual(Object.keys(byManner).sort(), ['always', 'sleeper', 'sometimes'])
  for (const { liars, twins } of Object.values(byManner)) assert(liars * 2n < twins)
  assert(kills > 0 && audits > 0)
})

test('a seed is one run', async () => {
  assert.deepEqual(await runMoney(3), await runMoney(3))
})

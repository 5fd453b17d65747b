import assert from 'node:assert/strict'
import { test } from 'node:test'
import { affinityPlan, runAffinity } from './affinity-run.ts'
import { chatLoadPlan } from './chat-load.ts'

const plan = { ...affinityPlan, load: { ...chatLoadPlan, chats: 200 } }

test('chats return to their nodes: nine tenths of what an oracle would save, and no node has a quarter more than its part', async () => {
  const routed = await runAffinity('router', { seed: 4, plan })
  const random = await runAffinity('random', { seed: 4, plan })
  const share = ({ savedTokens, oracleTokens }: typeof routed): number => savedTokens / oracleTokens
  assert.ok(share(routed) >= 0.9, `${share(routed)} of the oracle’s savings`)
  assert.ok(routed.imbalance <= 1.25, `${routed.imbalance} times the mean`)
  assert.ok(share(random) < 0.75, 'by chance it is far less, so the load can tell')
  assert.ok(routed.firstTokenMsP50 < random.firstTokenMsP50)
})

test('two runs of one seed are the same run', async () => {
  const again = { seed: 4, plan: { ...plan, load: { ...chatLoadPlan, chats: 40 } } }
  assert.deepEqual(await runAffinity('router', again), await runAffinity('router', again))
})

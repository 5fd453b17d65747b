import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assumedDrivers } from '#economics/drivers.ts'
import { simulate } from '#economics/simulate.ts'
import { g1 } from '#economics/test-terms.ts'
import { callInWorker } from './worker-call.ts'

const simulateModule = import.meta.resolve('#economics/simulate.ts')

test('a forecast from a thread is the forecast', async () => {
  const args = [simulation(200), 7] as const
  const result = await callInWorker({ module: simulateModule, name: 'simulate', args }, 60_000)
  assert.deepEqual(result, simulate(...args))
})

test('what the function throws comes back as a problem', async () => {
  const call = { module: simulateModule, name: 'simulate', args: [{ ...simulation(1), months: 0 }, 1] }
  await assert.rejects(callInWorker(call, 60_000), { code: 'internal', message: /from 1 to 60 months/ })
})

test('a call that takes too long is ended', async () => {
  const call = { module: simulateModule, name: 'simulate', args: [simulation(500_000), 1] }
  await assert.rejects(callInWorker(call, 50), { code: 'request_timeout' })
})

function simulation(paths: number) {
  return {
    terms: g1.terms,
    ratedGpuWatts: 0,
    purchaseUsd: 2_470,
    payout: { kind: 'stable' } as const,
    drivers: assumedDrivers,
    months: 12,
    paths,
  }
}

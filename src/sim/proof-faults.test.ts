import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SECOND_MS } from '#kernel/time.ts'
import { simulate } from './simulate.ts'

/** That an honest node is never barred is a rule of every run: `ProofRules`. */
test('nodes that prove themselves half of the time, while machines, lines and networks fail, are barred for none of it', async () => {
  for (const seed of [3, 5]) {
    const proofs = { everyMs: 30 * SECOND_MS, solveMs: 15 * SECOND_MS }
    const { proofs: figures, faults } = await simulate(seed, { proofs })
    assert.ok(figures.proofs >= 150, `seed ${seed}: ${figures.proofs} proofs`)
    assert.ok(figures.doubtsInRow <= 1, `seed ${seed}: ${figures.doubtsInRow} doubts in a row`)
    assert.ok(faults.agent_crash > 0 && faults.gateway_crash > 0 && faults.coordinator_takeover > 0)
  }
})

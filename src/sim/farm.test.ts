import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { runFarmSeeds } from './farm-seeds.ts'

describe('a render farm under faults, then healed', () => {
  test('seeds 1 to 50 keep every invariant, bring every job to its end, and run the same way twice', async () => {
    const sums = await runFarmSeeds({ from: 1, seeds: 50, isTwice: true, onRun: () => {} })
    const rare = [
      'copies',
      'moves',
      'beaten',
      'lost',
      'failed',
      'rejected',
      'reused',
      'kills',
      'cancelled',
    ] as const
    const pauses = ['asked', 'same_error', 'no_node_left', 'cap_reached'] as const
    const missing = [...rare, ...pauses].filter((name) => !sums[name])
    assert.deepEqual(missing, [], `what never came about; all: ${JSON.stringify(sums)}`)
  })
})

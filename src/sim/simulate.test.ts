import { describe, test } from 'node:test'
import { runSeeds } from './run-seeds.ts'

describe('a network of 20 nodes and more, 15 minutes under faults, then healed', () => {
  test('seeds 1 to 25 keep every invariant and come to rest, and each third runs the same way twice', () =>
    runSeeds(1, 25))
})

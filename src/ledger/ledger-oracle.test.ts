import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runDifferential } from './test-differential-run.ts'

test('50,000 random commands, with deaths between and within writes: the oracle agrees on every answer and balance', () => {
  const { operations, outcomes, crashes, tornWrites } = runDifferential(1, 50_000)
  assert.equal(operations, 50_000)
  // The run is worth something: much was accepted, refused and repeated, and deaths were many.
  assert.ok(
    outcomes.done > 10_000 && outcomes.refused > 10_000 && outcomes.repeat > 500,
    JSON.stringify(outcomes),
  )
  assert.ok(crashes > 100 && tornWrites > 50, `${crashes} deaths, ${tornWrites} of them within a write`)
})

/**
 * A million random ledger commands against a second ledger of a hundred lines, with deaths between and within writes.
 * `--operations N`, `--seed S`. Fails at the first answer or balance on which the two differ.
 */
import { parseArgs } from 'node:util'
import { runDifferential } from '#ledger/test-differential-run.ts'
import { print, whole } from './parts/machine.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    operations: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: '1' },
  },
})
const startedAtMs = performance.now()
const { operations, outcomes, crashes, tornWrites } = runDifferential(
  Number(values.seed),
  Number(values.operations),
)
const seconds = (performance.now() - startedAtMs) / 1_000
print(values.json, { bench: 'ledger-oracle', operations, seconds, outcomes, crashes, tornWrites }, () => [
  `${whole(operations)} operations in ${seconds.toFixed(1)} s: identical answers and balances after each.`,
  `${whole(outcomes.done)} were done, ${whole(outcomes.repeat)} were repeats, ${whole(outcomes.refused)} were refused.`,
  `${whole(crashes)} deaths, ${whole(tornWrites)} of them in the middle of a write.`,
])

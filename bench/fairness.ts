/**
 * What too many requests do to a network under virtual time, with the real gateway, coordinator and agents: one account at
 * 20 times its share beside ordinary ones, and a minute of five times what the nodes can do. `--seeds N` (3).
 */
import { parseArgs } from 'node:util'
import {
  crowdSize,
  type FairnessResult,
  measureFairness,
  measureOverload,
  type OverloadResult,
} from '#sim/crowd-scenarios.ts'
import { print, whole } from './parts/machine.ts'

const RAISED_MAX = 1.5
const REFUSED_MS_MAX = 100
/** Normal again: chance alone moves a p99 by so much. */
const AFTER_MAX = 1.25

const { values } = parseArgs({
  options: { json: { type: 'boolean', default: false }, seeds: { type: 'string', default: '3' } },
})
const results: {
  seed: number
  isMet: boolean
  fairness: FairnessResult
  overload: OverloadResult
}[] = []
for (let seed = 1; seed <= Number(values.seeds); seed++) {
  const fairness = await measureFairness(seed)
  const overload = await measureOverload(seed)
  const isMet =
    fairness.p99MsBesideGreedy <= RAISED_MAX * fairness.p99Ms &&
    overload.p99MsAfter <= AFTER_MAX * overload.p99MsBefore &&
    overload.refusedMsMax <= REFUSED_MS_MAX
  results.push({ seed, isMet, fairness, overload })
}
const isMet = results.every((result) => result.isMet)
print(values.json, { bench: 'fairness', ...crowdSize, isMet, results }, () => [
  `${crowdSize.accounts} accounts, ${crowdSize.nodes} nodes, first tokens at the 99th percentile, in virtual milliseconds:`,
  '',
  ...results.flatMap(({ seed, fairness, overload }) => [
    `seed ${seed}  the others beside one at its share ${whole(fairness.p99Ms)}, at 20 times its share ${whole(fairness.p99MsBesideGreedy)} ` +
      `(${(fairness.p99MsBesideGreedy / fairness.p99Ms).toFixed(2)} times); refused: ${fairness.othersRefused} of theirs, ` +
      `${whole(fairness.greedyRefused)} of its ${whole(fairness.greedyRefused + fairness.greedyServed)}`,
    `        5 times too much for a minute: before ${whole(overload.p99MsBefore)}, during ${whole(overload.p99MsDuring)}, ` +
      `from 10 s after on ${whole(overload.p99MsAfter)}; ${whole(overload.refused)} refused ` +
      `(${Object.entries(overload.statuses)
        .map(([status, count]) => `${whole(count)} × ${status}`)
        .join(', ')}) within ` +
      `${Math.ceil(overload.refusedMsMax)} ms, ${(overload.retryAfterShare * 100).toFixed(0)} % with retry-after; ${overload.refusedAfter} refused after`,
  ]),
  '',
  `To be held: at most ${RAISED_MAX} times; normal again within 10 s; refusals within ${REFUSED_MS_MAX} ms: ${isMet ? 'held' : 'NOT held'}.`,
])
if (!isMet) process.exitCode = 1

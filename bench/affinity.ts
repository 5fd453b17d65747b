/**
 * How much of their prompts nodes need not read again when chats return to them, and how even their work stays: chats of
 * many turns over 8 simulated nodes whose caches are limited, routed by the gateway's own code, by chance, and to the node
 * with the fewest requests. The oracle is one cache for all nodes, without a limit. `--seeds N` (3), `--nodes N` (8).
 */
import { parseArgs } from 'node:util'
import { type AffinityResult, affinityPlan, type Policy, runAffinity } from '#sim/affinity-run.ts'
import { print, whole } from './parts/machine.ts'

const SAVED_SHARE_MIN = 0.9
const IMBALANCE_MAX = 1.25
const policies: readonly Policy[] = ['router', 'least_outstanding', 'random']

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    seeds: { type: 'string', default: '3' },
    nodes: { type: 'string', default: String(affinityPlan.nodes) },
  },
})
const plan = { ...affinityPlan, nodes: Number(values.nodes) }
const results: (AffinityResult & { seed: number; savedShare: number })[] = []
for (let seed = 1; seed <= Number(values.seeds); seed++) {
  for (const policy of policies) {
    const result = await runAffinity(policy, { seed, plan })
    results.push({ ...result, seed, savedShare: result.savedTokens / result.oracleTokens })
  }
}
const ofRouter = results.filter(({ policy }) => policy === 'router')
const isMet = ofRouter.every(
  ({ savedShare, imbalance }) => savedShare >= SAVED_SHARE_MIN && imbalance <= IMBALANCE_MAX,
)
print(values.json, { bench: 'affinity', nodes: plan.nodes, isMet, results }, () => [
  `${plan.nodes} nodes, each with a cache of ${whole(plan.cacheTokens)} tokens and busy for about half of the time:`,
  '',
  'seed  policy             of the oracle’s savings  most work / mean  first token p50 / p99     requests',
  ...results.map(
    ({ seed, policy, savedShare, imbalance, firstTokenMsP50, firstTokenMsP99, requests }) =>
      `${String(seed).padStart(4)}  ${policy.padEnd(17)}  ${percent(savedShare).padStart(23)}  ${imbalance.toFixed(3).padStart(16)}  ` +
      `${`${whole(firstTokenMsP50)} / ${whole(firstTokenMsP99)} ms`.padStart(23)}  ${whole(requests).padStart(9)}`,
  ),
  '',
  `To be held: at least ${percent(SAVED_SHARE_MIN)} saved, at most ${IMBALANCE_MAX} times the mean: ${isMet ? 'held' : 'NOT held'}.`,
])
if (!isMet) process.exitCode = 1

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}

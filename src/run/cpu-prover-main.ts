/** The thread in which proofs of the processor are computed: one call after the other, until somebody ends it. */
import { parentPort } from 'node:worker_threads'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { type Solution, solveProof } from '#verify/hardware/solve-proof.ts'
import type { ProverAnswer, ProverCall } from './cpu-prover.ts'

const kept = new Map<string, Solution>()

function answer(call: ProverCall): ProverAnswer | null {
  const { challengeId } = call
  if (call.kind === 'drop') {
    kept.delete(challengeId)
    return null
  }
  if (call.kind === 'open')
    return { kind: 'chains', challengeId, chains: kept.get(challengeId)?.open(call.rows) ?? [] }
  const solution = solveProof(call, (data) => nodeCrypto.sha256(data))
  kept.set(challengeId, solution)
  return { kind: 'roots', challengeId, roots: solution.roots }
}

parentPort?.on('message', (call: ProverCall) => {
  const answered = answer(call)
  if (answered) parentPort?.postMessage(answered)
})

/**
 * Proves this machine's processor in a thread of its own, so that no token waits for it. The thread begins with the first
 * proof and ends when none is kept.
 */
import { Worker } from 'node:worker_threads'
import type { KeptProof, ProofFailure, ProofSolver } from '#agent/hardware/proof-solver.ts'
import type { OpenedRow, ProofSize, ProvableDevice } from '#protocol/hardware-proof.ts'

export type ProverCall =
  | {
      readonly kind: 'solve'
      readonly challengeId: string
      readonly seed: Uint8Array
      readonly size: ProofSize
    }
  | { readonly kind: 'open'; readonly challengeId: string; readonly rows: readonly number[] }
  | { readonly kind: 'drop'; readonly challengeId: string }

export type ProverAnswer =
  | { readonly kind: 'roots'; readonly challengeId: string; readonly roots: readonly string[] }
  | { readonly kind: 'chains'; readonly challengeId: string; readonly chains: OpenedRow[][] }

export interface CpuProver extends ProofSolver {
  close(): Promise<void>
}

/** Elements of one proof: far beyond what a network asks of a processor, far below what would fill a machine. */
const ELEMENTS_MAX = 64 * 1024 * 1024
const HEAP_MIB_MAX = 128

const module = new URL(import.meta.url.replace(/cpu-prover(\.\w+)$/, 'cpu-prover-main$1'))

/** `name`: of the processor, for people. */
export function createCpuProver(name: string): CpuProver {
  const device: ProvableDevice = { deviceId: 'cpu', kind: 'cpu', name, memoryMib: 0 }
  /** By challenge: who waits for its next answer; `null` for one that is kept. */
  const waiting = new Map<string, ((answer: ProverAnswer | ProofFailure) => void) | null>()
  let thread: Worker | null = null

  function lose(lost: Worker, message: string): void {
    if (thread !== lost) return
    thread = null
    const all = [...waiting.values()]
    waiting.clear()
    for (const tell of all) tell?.({ reason: 'prover_failed', message })
  }

  function open(): Worker {
    const opened = new Worker(module, { resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB_MAX } })
    opened.unref()
    opened.on('message', (answer: ProverAnswer) => {
      const tell = waiting.get(answer.challengeId)
      if (tell === undefined) return
      waiting.set(answer.challengeId, null)
      tell?.(answer)
    })
    opened.on('error', (error) => lose(opened, `The thread that computes proofs failed: ${String(error)}`))
    opened.on('exit', () => lose(opened, 'The thread that computes proofs ended.'))
    return opened
  }

  function ask(call: ProverCall, tell: (answer: ProverAnswer | ProofFailure) => void): void {
    thread ??= open()
    waiting.set(call.challengeId, tell)
    thread.postMessage(call)
  }

  function drop(challengeId: string): void {
    waiting.delete(challengeId)
    thread?.postMessage({ kind: 'drop', challengeId } satisfies ProverCall)
    if (waiting.size > 0) return
    const ending = thread
    thread = null
    ending?.terminate().catch(() => undefined)
  }

  const proofOf = (challengeId: string, roots: readonly string[]): KeptProof => ({
    roots,
    open(rows, done) {
      if (!waiting.has(challengeId))
        return done({ reason: 'prover_failed', message: 'The proof is not kept any more.' })
      ask({ kind: 'open', challengeId, rows }, (answer) => {
        if ('reason' in answer) done(answer)
        else if (answer.kind === 'chains') done(answer.chains)
      })
    },
    drop: () => drop(challengeId),
  })

  return {
    devices: [device],
    solve({ challengeId, seed, size }, done) {
      const { rows, width, rounds } = size
      if (rows * width * rounds > ELEMENTS_MAX)
        return done({
          reason: 'memory_short',
          message: `A processor proves at most ${ELEMENTS_MAX} elements.`,
        })
      ask({ kind: 'solve', challengeId, seed: Buffer.from(seed, 'hex'), size }, (answer) => {
        if ('reason' in answer) return done(answer)
        if (answer.kind === 'roots') done(proofOf(challengeId, answer.roots))
      })
    },
    async close() {
      const closing = thread
      thread = null
      waiting.clear()
      await closing?.terminate()
    },
  }
}

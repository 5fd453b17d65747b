/** The agent's side of proofs on one connection: says what it can prove, computes what it is asked for, shows what is drawn. */
import type { Link } from '#host/host.ts'
import { PROTOCOL_WITH_EVIDENCE } from '#protocol/agent-version.ts'
import { decodeJson, encodeJsonFrame, type Frame, FrameType } from '#protocol/frame.ts'
import { type ProofBegin, ProofOrder, type ProofSay } from '#protocol/hardware-proof.ts'
import { quickReader } from '#protocol/quick-reader.ts'
import type { AgentStreams } from '../agent-streams.ts'
import { isFailure, type KeptProof, type ProofFailure, type ProofSolver } from './proof-solver.ts'

export interface ProofLink {
  /** Says on this connection what the machine can prove, and takes the `prove` frames out of those that come. */
  open(streams: AgentStreams, link: Link, protocol: number): AgentStreams
}

/** Proofs that are kept at once: the network asks each device for one at a time. */
const KEPT_MAX = 16
const proofOrder = quickReader(ProofOrder)

export function createProofLink(solver: ProofSolver | undefined): ProofLink {
  return {
    open(streams, link, protocol) {
      if (!solver || protocol < PROTOCOL_WITH_EVIDENCE) return streams
      const proofs = createProofs(solver, (say) => link.send(encodeJsonFrame(FrameType.prove, 0, say)))
      return {
        ...streams,
        receive(frame: Frame) {
          if (frame.type !== FrameType.prove) return streams.receive(frame)
          proofs.take(proofOrder.parse(decodeJson(frame.payload)))
        },
        close() {
          proofs.close()
          streams.close()
        },
      }
    },
  }
}

function createProofs(solver: ProofSolver, say: (said: ProofSay) => void) {
  /** By challenge; `proof` is `null` while it is computed. */
  const kept = new Map<string, { readonly deviceId: string; readonly proof: KeptProof | null }>()
  let isClosed = false
  say({ kind: 'able', devices: [...solver.devices] })

  const fail = (challengeId: string, failure: ProofFailure): void => {
    kept.delete(challengeId)
    say({ kind: 'failed', challengeId, reason: failure.reason, message: failure.message.slice(0, 300) })
  }

  function begin(task: ProofBegin): void {
    const { challengeId, deviceId } = task
    if (kept.has(challengeId)) return
    say({ kind: 'begun', challengeId })
    if (!solver.devices.some((device) => device.deviceId === deviceId))
      return fail(challengeId, { reason: 'device_unknown', message: `There is no device ${deviceId} here.` })
    // The network asks a device for one at a time: a coordinator that began anew has forgotten the one before.
    for (const [id, one] of kept) if (one.deviceId === deviceId) drop(id)
    if (kept.size >= KEPT_MAX)
      return fail(challengeId, { reason: 'busy', message: `${KEPT_MAX} proofs are under way already.` })
    kept.set(challengeId, { deviceId, proof: null })
    solver.solve(task, (result) => {
      if (isClosed || !kept.has(challengeId)) return isFailure(result) ? undefined : result.drop()
      if (isFailure(result)) return fail(challengeId, result)
      kept.set(challengeId, { deviceId, proof: result })
      say({ kind: 'commit', challengeId, roots: [...result.roots] })
    })
  }

  function show(challengeId: string, rows: readonly number[]): void {
    kept.get(challengeId)?.proof?.open(rows, (chains) => {
      if (isClosed || !kept.has(challengeId)) return
      if (isFailure(chains)) return fail(challengeId, chains)
      say({ kind: 'opened', challengeId, chains })
    })
  }

  function drop(challengeId: string): void {
    const one = kept.get(challengeId)
    kept.delete(challengeId)
    one?.proof?.drop()
  }

  return {
    take(order: ProofOrder): void {
      if (order.kind === 'begin') begin(order)
      else if (order.kind === 'open') show(order.challengeId, order.rows)
      else drop(order.challengeId)
    },
    close(): void {
      isClosed = true
      for (const { proof } of kept.values()) proof?.drop()
      kept.clear()
    },
  }
}

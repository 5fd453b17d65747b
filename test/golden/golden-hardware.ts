/** Proofs of hardware, a card that two owners claim, and the end of the grace, in the golden history. */
import type { Turn } from '#coordinator/turn.ts'
import { assert } from '#kernel/assert.ts'
import { joinLimitsDefault as limits } from '#verify/hardware/join-limits.ts'

const nodeId = 'node_1'
const [organisationId, other] = ['org_seller', 'org_buyer']
const cardIds = ['GPU-00000000-0000-0000-0000-000000000001']
const done = (refusal: string | null): void => assert(refusal === null, `the golden history: ${refusal}`)

export function prove(turn: Turn, nowMs: number): void {
  const [deviceId, deviceClass] = ['cpu', 'cpu']
  done(turn.hardware({ kind: 'set_policy', isRequired: true, nowMs }))
  const network = '203.0.113.0/24'
  done(
    turn.hardware({ kind: 'join', nodeId, organisationId, network, limits, hasWorked: () => false, nowMs }),
  )
  done(
    turn.hardware({
      kind: 'claim',
      nodeId,
      organisationId,
      devices: [{ deviceId, deviceClass }],
      cardIds,
      nowMs,
    }),
  )
  const judge = { kind: 'judge', nodeId, deviceId, nowMs } as const
  done(turn.hardware({ ...judge, why: 'enrolment', outcome: { computeMs: 212.5, products: 1e8 } }))
  const outcome = {
    fault: 'row_wrong',
    detail: 'Row 3 of round 1 is not the product that was asked for.',
  } as const
  done(turn.hardware({ ...judge, why: 'random', outcome }))
  done(turn.hardware({ kind: 'refuse_answer', nodeId, reason: 'challenge_unknown', nowMs }))
}

export function shareCard(turn: Turn, nowMs: number): void {
  done(
    turn.hardware({ kind: 'claim', nodeId: 'node_gone', organisationId: other, devices: [], cardIds, nowMs }),
  )
  assert(turn.state.hardware.nodes.get(nodeId)?.quarantine, 'both are in quarantine')
  done(turn.hardware({ kind: 'release', nodeId, by: 'operator', nowMs }))
}

export function endGrace(turn: Turn, nowMs: number): void {
  done(turn.hardware({ kind: 'keep_time', nowMs }))
  assert(turn.state.hardware.isGraceOver && turn.state.hardware.joins.size === 0, 'a week and a day are over')
}

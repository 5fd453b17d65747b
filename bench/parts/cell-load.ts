/** What a cell's journal holds after a while: founding, presence, slices, usage in batches, all by the real use cases. */
import { applyUsage } from '#coordinator/apply-usage.ts'
import type { Coordinator } from '#coordinator/coordinator.ts'
import { enrolNode } from '#coordinator/enrol-node.ts'
import { openOrganisation } from '#coordinator/open-organisation.ts'
import { renewSlices, returnSlices, takeSlice } from '#coordinator/take-slice.ts'
import type { Turn } from '#coordinator/turn.ts'
import { assert } from '#kernel/assert.ts'
import { NANO_PER_USD } from '#kernel/money.ts'
import { consumerAccount, EXTERNAL_TEST } from '#ledger/ledger.ts'
import type { UsageRecord } from '#protocol/usage.ts'

export interface CellSize {
  readonly organisations: number
  readonly nodes: number
}

const GATEWAY = 'gateway-0'
const SPOOL = 'b'.repeat(32)
const RECORDS_PER_BATCH = 4
const GIFT = 1_000_000n * NANO_PER_USD

const numbered = (prefix: string, number: number): string => `${prefix}_${String(number).padStart(24, '0')}`
const organisationOf = (number: number): string => numbered('org', number)

/** Organisations with money, and nodes: one turn for each. */
export function foundCell(coordinator: Coordinator, { organisations, nodes }: CellSize): void {
  for (let number = 0; number < organisations; number++) {
    take(coordinator, (turn) => {
      const organisationId = organisationOf(number)
      accept(openOrganisation(turn, { organisationId, name: `organisation ${number}` }))
      accept(gift(turn, organisationId))
    })
  }
  for (let number = 0; number < nodes; number++) {
    take(coordinator, (turn) =>
      enrol(turn, { number, organisationId: organisationOf(number % organisations) }),
    )
  }
}

/**
 * The turn `number` of a cell at work. Of twenty, fourteen bill a batch of four readings; a slice is taken, raised,
 * renewed and returned; a node goes silent and comes back.
 */
export function work(coordinator: Coordinator, number: number, { organisations, nodes }: CellSize): void {
  const round = Math.floor(number / 20)
  const organisationId = organisationOf(round % organisations)
  const holdId = numbered('hold', round)
  const slice = { gatewayId: GATEWAY, organisationId, holdId }
  const nodeId = numbered('node', round % nodes)
  const session = 1 + Math.floor(round / nodes)
  const holdIds = [holdId]
  const at = number % 20
  take(coordinator, (turn) => {
    const { nowMs } = turn
    if (at === 0) takeSlice(turn, { ...slice, needed: 1_000_000n, wanted: 20_000_000n })
    else if (at === 5) takeSlice(turn, { ...slice, needed: 1_000_000n, wanted: 40_000_000n })
    else if (at === 10) renewSlices(turn, { gatewayId: GATEWAY, holdIds })
    else if (at === 19) returnSlices(turn, { gatewayId: GATEWAY, holdIds })
    else if (at === 1) turn.fleet({ kind: 'come_online', nodeId, gatewayId: GATEWAY, session, nowMs })
    else if (at === 18) turn.fleet({ kind: 'suspect', nodeId, session, reason: 'silent', nowMs })
    else bill(turn, { nodeId, organisationId, holdId, number })
  })
}

function bill(
  turn: Turn,
  at: { nodeId: string; organisationId: string; holdId: string; number: number },
): void {
  const { nodeId, organisationId, holdId, number } = at
  const firstSequence = turn.state.ledger.spools.get(SPOOL) ?? 1
  const records = Array.from(
    { length: RECORDS_PER_BATCH },
    (_, index): UsageRecord => ({
      requestId: numbered('req', number * RECORDS_PER_BATCH + index),
      organisationId,
      keyId: numbered('key', number % 10),
      holdId,
      model: 'guide-small',
      kind: 'chat',
      outcome: 'completed',
      parts: [
        {
          nodeId,
          promptTokens: 120 + index,
          completionTokens: 90 + (number % 100),
          promptPerMillion: 40_000_000n,
          completionPerMillion: 400_000_000n,
        },
      ],
      startedAtMs: turn.nowMs - 3_000,
      firstTokenMs: 120,
      totalMs: 3_000,
    }),
  )
  applyUsage(turn, { spoolId: SPOOL, firstSequence, records }, { feeBps: 500 })
}

const gift = (turn: Turn, organisationId: string) =>
  turn.ledger({
    kind: 'transfer',
    transferId: `gift:${organisationId}`,
    debitAccountId: EXTERNAL_TEST,
    creditAccountId: consumerAccount(organisationId),
    amount: GIFT,
    memo: 'test balance',
    createdAtMs: turn.nowMs,
    nowMs: turn.nowMs,
  })

function enrol(turn: Turn, { number, organisationId }: { number: number; organisationId: string }): void {
  const { nowMs } = turn
  const tokenHash = numbered('token', number)
  accept(turn.fleet({ kind: 'issue_token', tokenHash, organisationId, expiresAtMs: nowMs + 60_000, nowMs }))
  const nodeId = numbered('node', number)
  const publicKey = String(number).padStart(64, '0')
  const enrolment = { nodeId, publicKey, name: nodeId, tokenHash, askPerGpuHour: 50_000_000n }
  assert(typeof enrolNode(turn, enrolment) !== 'string', 'a node with a fresh token enrols')
}

const take = (coordinator: Coordinator, useCase: (turn: Turn) => void): void =>
  coordinator.execute(useCase, () => {})

const accept = (refusal: string | null): void => assert(refusal === null, `the load is refused: ${refusal}`)

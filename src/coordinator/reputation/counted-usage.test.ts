import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Node } from '#fleet/fleet.ts'
import type { UsageRecord } from '#protocol/usage.ts'
import { foundCell, PAYER, PROVIDER } from '#sim/test-world.ts'
import type { CoordinatorEvent } from '../coordinator-events.ts'
import { emptyState } from '../coordinator-state.ts'
import { startTurn } from '../turn.ts'
import { createReputationDesk } from './reputation-desk.ts'

test('what an owner asks of his own node counts nothing for it, and what others ask does', () => {
  const { use, record } = setup()
  use({ organisationId: PAYER, failed: ['node_1'] })
  const before = { ...record('node_1') }
  for (let count = 0; count < 500; count++) use({ organisationId: PROVIDER, served: ['node_1'], pace: 1_000 })
  use({ organisationId: PROVIDER, failed: ['node_1'] })
  assert.deepEqual(record('node_1'), before)
  use({ organisationId: PAYER, served: ['node_1'], pace: 1_000 })
  assert.deepEqual([record('node_1')?.good, record('node_1')?.bad, record('node_1')?.paces], [1, 1, 1])
})

test('the nodes of others that worked on his request count as ever', () => {
  const { use, state, record } = setup()
  const node = state.fleet.nodes.get('node_2') ?? assert.fail()
  state.fleet.nodes.set('node_2', { ...node, organisationId: PAYER })
  use({ organisationId: PROVIDER, served: ['node_2'], failed: ['node_1'] })
  assert.deepEqual([record('node_1')?.bad, record('node_2')?.good], [0, 1])
})

test('to the operator its own nodes are the network: its requests count for them', () => {
  const { use, state, record } = setup()
  state.verify.referenceId = PROVIDER
  use({ organisationId: PROVIDER, served: ['node_1'] })
  assert.equal(record('node_1')?.good, 1)
})

test('an owner halts no version of the agent by failing his own requests', () => {
  for (const [organisationId, halted] of [
    [PROVIDER, []],
    [PAYER, ['2']],
  ] as const) {
    const { use, run, state, step } = setup()
    run('1', ['node_3'])
    run('2', ['node_1', 'node_2'])
    for (let count = 0; count < 20; count++) use({ organisationId: PAYER, served: ['node_3'] })
    for (let count = 0; count < 12; count++) use({ organisationId, failed: ['node_1', 'node_2'] })
    step()
    assert.deepEqual([...state.reputation.halted.keys()], halted, organisationId)
  }
})

function setup() {
  const state = emptyState()
  let nowMs = 1_800_000_000_000
  const desk = createReputationDesk(state)
  const take = (run: (turn: ReturnType<typeof startTurn>) => void): void => {
    const events: CoordinatorEvent[] = []
    run(startTurn(state, nowMs, events))
    for (const event of events) desk.note(event)
  }
  take((turn) => foundCell(turn, { nodes: { node_1: 'key 1', node_2: 'key 2', node_3: 'key 3' } }))
  return {
    state,
    record: (nodeId: string) => state.reputation.nodes.get(nodeId),
    step: () => take((turn) => desk.step(turn)),
    /** Nodes that say they run this version of the agent. */
    run(agentVersion: string, nodeIds: readonly string[]) {
      for (const nodeId of nodeIds) {
        const node = state.fleet.nodes.get(nodeId) ?? assert.fail()
        state.fleet.nodes.set(nodeId, { ...node, capability: { agentVersion } } as unknown as Node)
      }
    },
    /** Two seconds after the one before. */
    use(told: {
      organisationId: string
      served?: readonly string[]
      failed?: readonly string[]
      pace?: number
    }) {
      const { organisationId, served = [], failed = [], pace } = told
      nowMs += 2_000
      const record: UsageRecord = {
        ...{ requestId: `r${nowMs}`, organisationId, keyId: 'k', holdId: '', model: 'm', kind: 'chat' },
        outcome: 'completed',
        parts: served.map((nodeId) => ({
          ...{
            nodeId,
            promptTokens: 1,
            completionTokens: 1,
            promptPerMillion: 0n,
            completionPerMillion: 0n,
          },
          ...(pace !== undefined && { pace }),
        })),
        failed: failed.map((nodeId) => ({ nodeId, how: 'lost' })),
        ...{ startedAtMs: nowMs, firstTokenMs: 1, totalMs: 2 },
      }
      take((turn) =>
        turn.recordUsage({
          ...{ type: 'usage.recorded', spoolId: 's', sequence: 1, record, cost: 0n, fee: 0n },
          ...{ transferId: null, atMs: nowMs },
        }),
      )
    },
  }
}

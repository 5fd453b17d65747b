import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DAY_MS } from '#kernel/time.ts'
import { foundCell, PROVIDER } from '#sim/test-world.ts'
import { joinLimitsDefault } from '#verify/hardware/join-limits.ts'
import type { CoordinatorEvent } from '../coordinator-events.ts'
import { emptyState, evolve } from '../coordinator-state.ts'
import { enrolNode } from '../enrol-node.ts'
import { apartnessOf } from '../model-fleet.ts'
import { startTurn } from '../turn.ts'
import { followedStanding } from './followed-standing.ts'

test('in which network a node is stays known when its coming in counts no more', () => {
  const { enrol, networksOf, forget } = setup()
  enrol('node_1', '203.0.113.7')
  enrol('node_2', '203.0.113.8')
  enrol('node_3', '192.168.0.9')
  forget()
  assert.deepEqual(networksOf('node_1'), ['203.0.113.0/24', '203.0.113.0/24'])
  assert.deepEqual(networksOf('node_2'), ['203.0.113.0/24', '203.0.113.0/24'])
  assert.deepEqual(networksOf('node_3'), [undefined, null], 'a private one says nothing')
})

test('so it is with the operator’s own nodes, which count against nobody', () => {
  const { enrol, networksOf, state } = setup()
  state.verify.referenceId = PROVIDER
  enrol('node_1', '203.0.113.7')
  assert.equal(state.hardware.joins.size, 0)
  assert.deepEqual(networksOf('node_1'), ['203.0.113.0/24', '203.0.113.0/24'])
})

test('of a journal from before enrolments said it, it is read from who came in', () => {
  const { enrol, networksOf, forget, events, state } = setup()
  enrol('node_1', '203.0.113.7')
  forget()
  const replayed = emptyState()
  for (const event of events) {
    if (event.type !== 'fleet.node_enrolled') {
      evolve(replayed, event)
      continue
    }
    const { network: _, ...older } = event
    evolve(replayed, older)
  }
  assert.deepEqual(replayed.reputation, state.reputation)
  assert.deepEqual(networksOf('node_1', replayed), ['203.0.113.0/24', '203.0.113.0/24'])
})

function setup() {
  const state = emptyState()
  const events: CoordinatorEvent[] = []
  let nowMs = 1_800_000_000_000
  const turn = () => startTurn(state, nowMs, events)
  foundCell(turn())
  return {
    state,
    events,
    enrol(nodeId: string, sourceAddress: string) {
      const tokenHash = `token of ${nodeId}`
      const token = { tokenHash, organisationId: PROVIDER, expiresAtMs: nowMs + 1, nowMs }
      assert.equal(turn().fleet({ kind: 'issue_token', ...token }), null)
      const node = { nodeId, publicKey: nodeId, name: nodeId, tokenHash, askPerGpuHour: 1n }
      assert.deepEqual(enrolNode(turn(), node, { limits: joinLimitsDefault, sourceAddress }), { nodeId })
    },
    /** Two days go by. */
    forget() {
      nowMs += 2 * DAY_MS
      turn().hardware({ kind: 'keep_time', nowMs })
      assert.equal(state.hardware.joins.size, 0)
    },
    /** As gateways are told, and as replicas are placed. */
    networksOf(nodeId: string, of = state) {
      const node = of.fleet.nodes.get(nodeId) ?? assert.fail()
      return [followedStanding(of, nodeId, nowMs).network, apartnessOf(of, node).shares?.network]
    },
  }
}
